//! The system's SSPI, Windows' form of GSSAPI: the functions in use, and owners for the resources that
//! they return.
//!
//! A client asks for Kerberos by name, so that nothing falls back to NTLM; a service negotiates, and
//! refuses what is not Kerberos. Every pointer that is passed points to a value that lives longer than the
//! call. Lengths that the system returns are checked against the buffers that they are about, and what it
//! allocates is freed here, once.
#![allow(unsafe_code)] // Functions of the system.

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{FromRawHandle, OwnedHandle};
use std::path::Path;
use std::ptr::{null, null_mut};

use ids::Sid;
use platform::Token;
use windows_sys::Win32::Foundation::{
    SEC_E_BAD_BINDINGS, SEC_E_NO_CREDENTIALS, SEC_E_OK, SEC_E_TARGET_UNKNOWN, SEC_I_CONTINUE_NEEDED,
};
use windows_sys::Win32::Security::Authentication::Identity::{
    ASC_REQ_CONFIDENTIALITY, ASC_REQ_INTEGRITY, ASC_REQ_MUTUAL_AUTH, ASC_REQ_REPLAY_DETECT,
    ASC_REQ_SEQUENCE_DETECT, ASC_RET_CONFIDENTIALITY, ASC_RET_INTEGRITY, ASC_RET_SEQUENCE_DETECT,
    AcceptSecurityContext, AcquireCredentialsHandleW, DecryptMessage, DeleteSecurityContext,
    EncryptMessage, FreeContextBuffer, FreeCredentialsHandle, ISC_REQ_CONFIDENTIALITY,
    ISC_REQ_INTEGRITY, ISC_REQ_MUTUAL_AUTH, ISC_REQ_REPLAY_DETECT, ISC_REQ_SEQUENCE_DETECT,
    ISC_RET_CONFIDENTIALITY, ISC_RET_INTEGRITY, ISC_RET_MUTUAL_AUTH, ISC_RET_SEQUENCE_DETECT,
    InitializeSecurityContextW, QueryContextAttributesW, QuerySecurityContextToken,
    SEC_CHANNEL_BINDINGS, SECBUFFER_CHANNEL_BINDINGS, SECBUFFER_DATA, SECBUFFER_PADDING,
    SECBUFFER_STREAM, SECBUFFER_TOKEN, SECBUFFER_VERSION, SECPKG_ATTR, SECPKG_ATTR_NATIVE_NAMES,
    SECPKG_ATTR_NEGOTIATION_INFO, SECPKG_ATTR_SIZES, SECPKG_CRED, SECPKG_CRED_INBOUND,
    SECPKG_CRED_OUTBOUND, SECQOP_WRAP_NO_ENCRYPT, SECURITY_NATIVE_DREP, SecBuffer, SecBufferDesc,
    SecPkgContext_NativeNamesW, SecPkgContext_NegotiationInfoW, SecPkgContext_Sizes,
};
use windows_sys::Win32::Security::Credentials::SecHandle;
use windows_sys::Win32::System::Rpc::{SEC_WINNT_AUTH_IDENTITY_UNICODE, SEC_WINNT_AUTH_IDENTITY_W};
use zeroize::Zeroizing;

use crate::logon_info::LogonInfo;
use crate::step::{AcceptedStep, Initiated};
use crate::{Error, Result};

/// The largest token: no package of the system makes larger ones.
const LARGEST_TOKEN: usize = 1 << 16;
/// The most characters of a name that the system returns.
const LONGEST_NAME: usize = 1 << 12;
/// The most bytes that the system may add to a message when it seals it.
const MOST_ADDED: u32 = 1 << 12;

const KERBEROS: &str = "Kerberos";
const NEGOTIATE: &str = "Negotiate";

/// The functions: the system always has them.
#[derive(Clone, Copy)]
pub(crate) struct Gss;

/// The functions.
///
/// # Errors
/// None on this system.
pub(crate) fn gss() -> Result<Gss> {
    Ok(Gss)
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// Turns a failure into an error: in words of ours where they tell the next step, else in the system's.
fn check(doing: &str, code: i32) -> Result<()> {
    let words = match code {
        code if code >= 0 => return Ok(()),
        SEC_E_NO_CREDENTIALS => {
            "this account has no tickets: log on with an account of the domain".into()
        }
        SEC_E_TARGET_UNKNOWN => {
            "the domain knows no such service: register its principal (setspn -S)".into()
        }
        SEC_E_BAD_BINDINGS => "the ticket is not bound to this channel".into(),
        code => io::Error::from_raw_os_error(code).to_string(),
    };
    Err(Error(format!("{doing}: {words} ({code:#010x})")))
}

fn length(bytes: &[u8]) -> Result<u32> {
    u32::try_from(bytes.len()).map_err(|error| Error(error.to_string()))
}

impl Gss {
    /// The principal of a service on a host.
    pub(crate) fn service(self, service: &str, host: &str) -> Result<Name> {
        Ok(Name(wide(&format!("{service}/{host}"))))
    }

    /// Credentials by password. Of this computer's domain, if the domain is empty.
    pub(crate) fn with_password(
        self,
        user: &str,
        domain: &str,
        password: &str,
    ) -> Result<Credential> {
        let [mut user, mut domain] = [user, domain].map(|text| text.encode_utf16().collect());
        let mut password: Zeroizing<Vec<u16>> = Zeroizing::new(password.encode_utf16().collect());
        let units = |text: &Vec<u16>| text.len() as u32;
        let (user, domain): (&mut Vec<u16>, &mut Vec<u16>) = (&mut user, &mut domain);
        let identity = SEC_WINNT_AUTH_IDENTITY_W {
            User: user.as_mut_ptr(),
            UserLength: units(user),
            Domain: domain.as_mut_ptr(),
            DomainLength: units(domain),
            Password: password.as_mut_ptr(),
            PasswordLength: units(&password),
            Flags: SEC_WINNT_AUTH_IDENTITY_UNICODE,
        };
        Credential::acquire(KERBEROS, SECPKG_CRED_OUTBOUND, Some(&identity))
            .map_err(|error| Error(format!("log on: {error}")))
    }

    /// Credentials of a service: those of this process's account, for which the domain issues the tickets.
    pub(crate) fn with_keys(self, keytab: Option<&Path>, principal: &str) -> Result<Credential> {
        if let Some(keytab) = keytab {
            return Err(Error(format!(
                "{}: leave the keytab out on Windows, and register the principal for the service's account \
                 (setspn -S {} ACCOUNT)",
                keytab.display(),
                principal.split('@').next().unwrap_or(principal)
            )));
        }
        Credential::acquire(NEGOTIATE, SECPKG_CRED_INBOUND, None)
    }

    /// A new exchange.
    pub(crate) fn context(self) -> Context {
        Context {
            context: None,
            own: None,
        }
    }
}

/// A service's principal name.
pub(crate) struct Name(Vec<u16>);

/// The credentials of an account.
pub(crate) struct Credential(SecHandle);

impl Credential {
    fn acquire(
        package: &str,
        side: SECPKG_CRED,
        identity: Option<&SEC_WINNT_AUTH_IDENTITY_W>,
    ) -> Result<Self> {
        let package = wide(package);
        let (mut handle, mut expires) = (SecHandle::default(), 0);
        // SAFETY: the text ends with a zero; the identity and its texts live longer than the call.
        let code = unsafe {
            AcquireCredentialsHandleW(
                null(),
                package.as_ptr(),
                side,
                null(),
                identity.map_or(null(), |identity| (&raw const *identity).cast()),
                None,
                null(),
                &mut handle,
                &mut expires,
            )
        };
        check("the account's credentials", code)?;
        Ok(Self(handle))
    }
}

impl Drop for Credential {
    fn drop(&mut self) {
        // SAFETY: the handle is ours, and freed once.
        unsafe { FreeCredentialsHandle(&self.0) };
    }
}

/// Channel bindings in the system's form: numbers, then the data.
fn bindings(data: &[u8]) -> Result<Vec<u32>> {
    let head = size_of::<SEC_CHANNEL_BINDINGS>();
    let mut bindings = vec![0_u32; (head + data.len()).div_ceil(4)];
    let numbers = [length(data)?, head as u32];
    // The last two numbers of the head: the data's length, and where it begins.
    bindings[6..8].copy_from_slice(&numbers);
    for (place, chunk) in bindings[8..].iter_mut().zip(data.chunks(4)) {
        let mut bytes = [0; 4];
        bytes[..chunk.len()].copy_from_slice(chunk);
        *place = u32::from_ne_bytes(bytes);
    }
    Ok(bindings)
}

fn buffer(kind: u32, length: u32, bytes: *mut c_void) -> SecBuffer {
    SecBuffer {
        cbBuffer: length,
        BufferType: kind,
        pvBuffer: bytes,
    }
}

fn described(buffers: &mut [SecBuffer]) -> SecBufferDesc {
    SecBufferDesc {
        ulVersion: SECBUFFER_VERSION,
        cBuffers: buffers.len() as u32,
        pBuffers: buffers.as_mut_ptr(),
    }
}

/// The client of an exchange.
pub(crate) struct Client {
    principal: String,
    token: Token,
}

impl Client {
    /// The name in text.
    pub(crate) fn text(&self) -> Result<String> {
        Ok(self.principal.clone())
    }

    /// The account and its groups, those of this computer included, as in the token that the system made.
    pub(crate) fn logon(&self) -> Result<LogonInfo> {
        let unknown = |error: io::Error| Error(format!("{}'s token: {error}", self.principal));
        let sid = |text: String| {
            let parsed = text.parse::<Sid>();
            parsed.map_err(|error| Error(format!("{}'s token: {error}", self.principal)))
        };
        let groups = self.token.groups().map_err(unknown)?;
        let groups = groups
            .into_iter()
            .map(|(group, attributes)| Ok((sid(group)?, attributes)));
        Ok(LogonInfo::of(
            sid(self.token.user().map_err(unknown)?)?,
            groups.collect::<Result<_>>()?,
        ))
    }
}

/// An exchange under way, or done.
pub(crate) struct Context {
    context: Option<SecHandle>,
    /// The credentials of this process's user, where no others were given.
    own: Option<Credential>,
}

impl Context {
    fn handle(&self) -> Result<&SecHandle> {
        let missing = || Error("the exchange has not begun".into());
        self.context.as_ref().ok_or_else(missing)
    }

    /// Signs a message for the other side, and seals it if `seal`. Also whether it is sealed.
    pub(crate) fn wrap(&mut self, message: &[u8], seal: bool) -> Result<(Vec<u8>, bool)> {
        let mut sizes = SecPkgContext_Sizes::default();
        self.query(SECPKG_ATTR_SIZES, &mut sizes)?;
        let (before, after) = (sizes.cbSecurityTrailer, sizes.cbBlockSize);
        if before > MOST_ADDED || after > MOST_ADDED {
            let text = format!("sealing adds {before} and {after} bytes to a message");
            return Err(Error(text));
        }
        let mut data = message.to_vec();
        let (mut token, mut padding) = (vec![0_u8; before as usize], vec![0_u8; after as usize]);
        let mut buffers = [
            buffer(SECBUFFER_TOKEN, before, token.as_mut_ptr().cast()),
            buffer(SECBUFFER_DATA, length(message)?, data.as_mut_ptr().cast()),
            buffer(SECBUFFER_PADDING, after, padding.as_mut_ptr().cast()),
        ];
        let quality = if seal { 0 } else { SECQOP_WRAP_NO_ENCRYPT };
        let message = described(&mut buffers);
        // SAFETY: every buffer has the length that it names.
        let code = unsafe { EncryptMessage(self.handle()?, quality, &message, 0) };
        check("seal a message", code)?;
        // Together they are what GSSAPI calls a wrapped message.
        let mut bytes = Vec::with_capacity(token.len() + data.len() + padding.len());
        for (buffer, content) in buffers.iter().zip([&token, &data, &padding]) {
            let used = content.get(..buffer.cbBuffer as usize);
            bytes.extend(used.ok_or_else(|| Error("a sealed message is too long".into()))?);
        }
        Ok((bytes, seal))
    }

    /// The content of a signed message of the other side, and whether it was sealed. One that came before,
    /// or before which others are missing, is an error of the system.
    pub(crate) fn unwrap(&mut self, message: &[u8]) -> Result<(Vec<u8>, bool)> {
        let mut stream = message.to_vec();
        let begin = stream.as_mut_ptr();
        let mut buffers = [
            buffer(SECBUFFER_STREAM, length(message)?, begin.cast()),
            buffer(SECBUFFER_DATA, 0, null_mut()),
        ];
        let mut quality = 0;
        let message = described(&mut buffers);
        // SAFETY: the stream has the length that it names; the system points the other buffer into it.
        let code = unsafe { DecryptMessage(self.handle()?, &message, 0, &mut quality) };
        check("open a message", code)?;
        let [_, data] = buffers;
        let content = match data.cbBuffer {
            0 => Some(&[][..]),
            length => (data.pvBuffer as usize)
                .checked_sub(begin as usize)
                .and_then(|start| stream.get(start..start.checked_add(length as usize)?)),
        };
        let content = content.ok_or_else(|| Error("an opened message lies elsewhere".into()))?;
        Ok((content.to_vec(), quality & SECQOP_WRAP_NO_ENCRYPT == 0))
    }

    /// A step of the client's side. Without a credential that of this process's user counts. Without a
    /// channel, messages are sealed.
    pub(crate) fn initiate(
        &mut self,
        credential: Option<&Credential>,
        service: &Name,
        channel: Option<&[u8]>,
        input: &[u8],
    ) -> Result<Initiated> {
        const SEALED: u32 = ISC_RET_CONFIDENTIALITY | ISC_RET_INTEGRITY | ISC_RET_SEQUENCE_DETECT;
        if credential.is_none() && self.own.is_none() {
            self.own = Some(Credential::acquire(KERBEROS, SECPKG_CRED_OUTBOUND, None)?);
        }
        let credential = credential.or(self.own.as_ref());
        let wanted = ISC_REQ_MUTUAL_AUTH
            | match channel {
                Some(_) => 0,
                None => {
                    ISC_REQ_CONFIDENTIALITY
                        | ISC_REQ_INTEGRITY
                        | ISC_REQ_SEQUENCE_DETECT
                        | ISC_REQ_REPLAY_DETECT
                }
            };
        let (mut handle, mut expires) = (self.context.unwrap_or_default(), 0);
        // The same place takes the context that there is and the one that comes of the step.
        let place = &raw mut handle;
        let context = self.context.map_or(null(), |_| place.cast_const());
        let exchanged = Tokens::exchange(input, channel, |input, output, flags| {
            // SAFETY: the handles are open or absent, the name ends with a zero, and every buffer has the
            // length that it names.
            unsafe {
                InitializeSecurityContextW(
                    credential.map_or(null(), |credential| &raw const credential.0),
                    context,
                    service.0.as_ptr(),
                    wanted,
                    0,
                    SECURITY_NATIVE_DREP,
                    input,
                    0,
                    place,
                    output,
                    flags,
                    &mut expires,
                )
            }
        });
        let Tokens { token, flags, done } = self.taken(handle, "ask for a ticket", exchanged)?;
        if done && channel.is_none() && flags & SEALED != SEALED {
            return Err(Error("the service does not seal its messages".into()));
        }
        Ok(Initiated {
            token,
            done,
            mutual: flags & ISC_RET_MUTUAL_AUTH != 0,
        })
    }

    /// A step of the service's side. With a channel, the system refuses a client whose ticket is not bound
    /// to it. Without one, the client may bind its ticket to any.
    pub(crate) fn accept(
        &mut self,
        credential: &Credential,
        channel: Option<&[u8]>,
        input: &[u8],
    ) -> Result<AcceptedStep<Client>> {
        const SEALED: u32 = ASC_RET_CONFIDENTIALITY | ASC_RET_INTEGRITY | ASC_RET_SEQUENCE_DETECT;
        // ASC_REQ_ALLOW_MISSING_BINDINGS is not among them.
        let wanted = ASC_REQ_MUTUAL_AUTH
            | match channel {
                Some(_) => 0,
                None => {
                    ASC_REQ_CONFIDENTIALITY
                        | ASC_REQ_INTEGRITY
                        | ASC_REQ_SEQUENCE_DETECT
                        | ASC_REQ_REPLAY_DETECT
                }
            };
        let (mut handle, mut expires) = (self.context.unwrap_or_default(), 0);
        // The same place takes the context that there is and the one that comes of the step.
        let place = &raw mut handle;
        let context = self.context.map_or(null(), |_| place.cast_const());
        let exchanged = Tokens::exchange(input, channel, |input, output, flags| {
            // SAFETY: as above.
            unsafe {
                AcceptSecurityContext(
                    &credential.0,
                    context,
                    input,
                    wanted,
                    SECURITY_NATIVE_DREP,
                    place,
                    output,
                    flags,
                    &mut expires,
                )
            }
        });
        let Tokens { token, flags, done } = self.taken(handle, "accept a ticket", exchanged)?;
        let kerberos = done && self.package()? == KERBEROS;
        Ok(AcceptedStep {
            token,
            client: done.then(|| self.client()).transpose()?,
            bound: channel.is_some(),
            sealing: flags & SEALED == SEALED,
            kerberos,
        })
    }

    /// Keeps the context that a step made or changed.
    fn taken(
        &mut self,
        handle: SecHandle,
        doing: &str,
        exchanged: Result<(i32, Tokens)>,
    ) -> Result<Tokens> {
        let (code, tokens) = exchanged?;
        check(doing, code)?;
        self.context = Some(handle);
        match code {
            SEC_E_OK | SEC_I_CONTINUE_NEEDED => Ok(tokens),
            code => Err(Error(format!("{doing}: unexpected result {code:#x}"))),
        }
    }

    /// An attribute of the context. `T` is the structure that is documented for it.
    fn query<T>(&self, attribute: SECPKG_ATTR, into: &mut T) -> Result<()> {
        // SAFETY: private: every call below passes the structure of its attribute.
        let code =
            unsafe { QueryContextAttributesW(self.handle()?, attribute, (&raw mut *into).cast()) };
        check("ask about the exchange", code)
    }

    /// The name of the package that was negotiated.
    fn package(&self) -> Result<String> {
        let mut negotiated = SecPkgContext_NegotiationInfoW::default();
        self.query(SECPKG_ATTR_NEGOTIATION_INFO, &mut negotiated)?;
        if negotiated.PackageInfo.is_null() {
            return Ok(String::new());
        }
        // SAFETY: the system returned the structure, whose name ends with a zero.
        let name = unsafe { text((*negotiated.PackageInfo).Name) };
        // SAFETY: the system asks for the structure to be freed so, once.
        unsafe { FreeContextBuffer(negotiated.PackageInfo.cast()) };
        name
    }

    /// Who the client is.
    fn client(&self) -> Result<Client> {
        let mut token = null_mut();
        // SAFETY: the exchange is done, and the token has a place.
        let code = unsafe { QuerySecurityContextToken(self.handle()?, &mut token) };
        check("the client's token", code)?;
        // SAFETY: the handle was just opened, and belongs to nobody else.
        let token: Token = unsafe { OwnedHandle::from_raw_handle(token) }.into();
        // Documented for the client's side; the service's may have to ask the token.
        let principal = self
            .native_name()
            .or_else(|_| token.name().map_err(|error| Error(error.to_string())))?;
        Ok(Client { principal, token })
    }

    /// The client's principal, as the ticket names it.
    fn native_name(&self) -> Result<String> {
        let mut names = SecPkgContext_NativeNamesW::default();
        self.query(SECPKG_ATTR_NATIVE_NAMES, &mut names)?;
        // SAFETY: the system returned texts that end with a zero, or none.
        let principal = unsafe { text(names.sClientName) };
        for name in [names.sClientName, names.sServerName] {
            if !name.is_null() {
                // SAFETY: the system asks for each name to be freed so, once.
                unsafe { FreeContextBuffer(name.cast()) };
            }
        }
        principal
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if let Some(context) = &self.context {
            // SAFETY: the context is ours, and deleted once.
            unsafe { DeleteSecurityContext(context) };
        }
    }
}

/// What came of a step.
struct Tokens {
    /// For the other side; may be empty.
    token: Vec<u8>,
    /// What the exchange gives.
    flags: u32,
    done: bool,
}

impl Tokens {
    /// Makes the buffers of a step, and takes from them what it returned, with its code.
    fn exchange(
        input: &[u8],
        channel: Option<&[u8]>,
        step: impl FnOnce(*const SecBufferDesc, *mut SecBufferDesc, *mut u32) -> i32,
    ) -> Result<(i32, Self)> {
        if input.len() > LARGEST_TOKEN {
            let text = format!(
                "a token of {} bytes, more than {LARGEST_TOKEN}",
                input.len()
            );
            return Err(Error(text));
        }
        let mut input = input.to_vec();
        let mut bound = channel.map(bindings).transpose()?;
        let mut inputs = Vec::new();
        if !input.is_empty() {
            let length = length(&input)?;
            inputs.push(buffer(SECBUFFER_TOKEN, length, input.as_mut_ptr().cast()));
        }
        if let (Some(bound), Some(channel)) = (&mut bound, channel) {
            let length = size_of::<SEC_CHANNEL_BINDINGS>() as u32 + length(channel)?;
            let bytes = bound.as_mut_ptr().cast();
            inputs.push(buffer(SECBUFFER_CHANNEL_BINDINGS, length, bytes));
        }
        let mut token = vec![0; LARGEST_TOKEN];
        let mut outputs = [buffer(
            SECBUFFER_TOKEN,
            LARGEST_TOKEN as u32,
            token.as_mut_ptr().cast(),
        )];
        let (input, mut output) = (described(&mut inputs), described(&mut outputs));
        let input = match inputs.is_empty() {
            true => null(),
            false => &raw const input,
        };
        let mut flags = 0;
        let code = step(input, &mut output, &mut flags);
        let [output] = outputs;
        let length = match code {
            code if code < 0 => 0,
            _ => output.cbBuffer as usize,
        };
        if length > token.len() {
            return Err(Error("the system's token is too long".into()));
        }
        token.truncate(length);
        let done = code == SEC_E_OK;
        Ok((code, Self { token, flags, done }))
    }
}

/// A copy of a text of the system.
///
/// # Safety
/// It is NULL, or ends with a zero.
unsafe fn text(text: *const u16) -> Result<String> {
    if text.is_null() {
        return Err(Error("the system tells no name".into()));
    }
    // SAFETY: it ends with a zero, and nothing behind that is read.
    let length = (0..LONGEST_NAME).find(|&at| unsafe { *text.add(at) } == 0);
    let length = length.ok_or_else(|| Error("a name of the system is too long".into()))?;
    // SAFETY: so many units were just read.
    let units = unsafe { std::slice::from_raw_parts(text, length) };
    String::from_utf16(units).map_err(|error| Error(error.to_string()))
}
