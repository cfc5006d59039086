//! MIT's GSSAPI library: the functions in use, and owners for the resources that they return.
//!
//! The types are those of the library's public header gssapi/gssapi.h and gssapi_ext.h, on systems
//! whose C compiler aligns structures naturally.
#![allow(unsafe_code)] // Functions of a C library.

use std::ffi::{CString, c_char, c_int, c_void};
use std::path::Path;
use std::ptr;
use std::sync::OnceLock;

use libloading::Library;

use crate::logon_info::LogonInfo;
use crate::step::{AcceptedStep, Initiated};
use crate::{Error, Result};

const LIBRARY: &str = "libgssapi_krb5.so.2";

#[repr(C)]
struct Buffer {
    length: usize,
    value: *mut c_void,
}

#[repr(C)]
struct Oid {
    length: u32,
    elements: *const c_void,
}

// SAFETY: object identifiers are constants that are never written to.
unsafe impl Sync for Oid {}

#[repr(C)]
struct OidSet {
    count: usize,
    elements: *const Oid,
}

#[repr(C)]
struct Bindings {
    initiator_address_type: u32,
    initiator_address: Buffer,
    acceptor_address_type: u32,
    acceptor_address: Buffer,
    application_data: Buffer,
}

#[repr(C)]
struct KeyValue {
    key: *const c_char,
    value: *const c_char,
}

#[repr(C)]
struct KeyValueSet {
    count: u32,
    elements: *const KeyValue,
}

const fn oid(bytes: &'static [u8]) -> Oid {
    Oid {
        length: bytes.len() as u32,
        elements: bytes.as_ptr().cast(),
    }
}

static SPNEGO: Oid = oid(b"\x2b\x06\x01\x05\x05\x02");
static SPNEGO_AND_KRB5: [Oid; 2] = [oid(b"\x2b\x06\x01\x05\x05\x02"), oid(KRB5_BYTES)];
const KRB5_BYTES: &[u8] = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02";
static HOST_BASED_SERVICE: Oid = oid(b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x01\x04");
static KRB5_PRINCIPAL: Oid = oid(b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01");

const INITIATE: c_int = 1;
const ACCEPT: c_int = 2;
const CONTINUE_NEEDED: u32 = 1;
const MUTUAL: u32 = 2;
/// The flag that our and the peer's channel bindings match (GSS_C_CHANNEL_BOUND_FLAG).
const CHANNEL_BOUND: u32 = 0x800;
/// Messages are confidential, signed, and in order. GSSAPI clients of SASL ask for these.
const SEALED: u32 = 0x10 | 0x20 | 0x8;
/// And none comes twice, which their order implies.
const ONCE: u32 = 0x4;
/// What an opened message is, besides sound: one that came before, came too late, or after a gap.
const OUT_OF_ORDER: u32 = 0x2 | 0x4 | 0x8 | 0x10;
const ERRORS: u32 = 0xffff_0000;

type Handle = *mut c_void;

/// The functions.
pub(crate) struct Gss {
    import_name: unsafe extern "C" fn(*mut u32, *const Buffer, *const Oid, *mut Handle) -> u32,
    release_name: unsafe extern "C" fn(*mut u32, *mut Handle) -> u32,
    display_name: unsafe extern "C" fn(*mut u32, Handle, *mut Buffer, *mut *const Oid) -> u32,
    #[allow(clippy::type_complexity)]
    acquire_with_password: unsafe extern "C" fn(
        *mut u32,
        Handle,
        *const Buffer,
        u32,
        *const OidSet,
        c_int,
        *mut Handle,
        *mut *mut OidSet,
        *mut u32,
    ) -> u32,
    #[allow(clippy::type_complexity)]
    acquire_from: unsafe extern "C" fn(
        *mut u32,
        Handle,
        u32,
        *const OidSet,
        c_int,
        *const KeyValueSet,
        *mut Handle,
        *mut *mut OidSet,
        *mut u32,
    ) -> u32,
    release_credential: unsafe extern "C" fn(*mut u32, *mut Handle) -> u32,
    #[allow(clippy::type_complexity)]
    initiate: unsafe extern "C" fn(
        *mut u32,
        Handle,
        *mut Handle,
        Handle,
        *const Oid,
        u32,
        u32,
        *const Bindings,
        *const Buffer,
        *mut *const Oid,
        *mut Buffer,
        *mut u32,
        *mut u32,
    ) -> u32,
    #[allow(clippy::type_complexity)]
    accept: unsafe extern "C" fn(
        *mut u32,
        *mut Handle,
        Handle,
        *const Buffer,
        *const Bindings,
        *mut Handle,
        *mut *const Oid,
        *mut Buffer,
        *mut u32,
        *mut u32,
        *mut Handle,
    ) -> u32,
    wrap: unsafe extern "C" fn(
        *mut u32,
        Handle,
        c_int,
        u32,
        *const Buffer,
        *mut c_int,
        *mut Buffer,
    ) -> u32,
    unwrap: unsafe extern "C" fn(
        *mut u32,
        Handle,
        *const Buffer,
        *mut Buffer,
        *mut c_int,
        *mut u32,
    ) -> u32,
    delete_context: unsafe extern "C" fn(*mut u32, *mut Handle, *mut Buffer) -> u32,
    release_buffer: unsafe extern "C" fn(*mut u32, *mut Buffer) -> u32,
    display_status:
        unsafe extern "C" fn(*mut u32, u32, c_int, *const Oid, *mut u32, *mut Buffer) -> u32,
    #[allow(clippy::type_complexity)]
    name_attribute: unsafe extern "C" fn(
        *mut u32,
        Handle,
        *const Buffer,
        *mut c_int,
        *mut c_int,
        *mut Buffer,
        *mut Buffer,
        *mut c_int,
    ) -> u32,
    _library: Library,
}

/// The library, loaded once.
///
/// # Errors
/// If it is not installed.
pub(crate) fn gss() -> Result<&'static Gss> {
    static GSS: OnceLock<Result<Gss>> = OnceLock::new();
    GSS.get_or_init(load).as_ref().map_err(Clone::clone)
}

fn load() -> Result<Gss> {
    let missing = |error: libloading::Error| {
        Error(format!(
            "{LIBRARY}: {error}; install MIT Kerberos 1.19 or later (Debian: libgssapi-krb5-2)"
        ))
    };
    // SAFETY: the library is MIT's by its name; its initialization has no preconditions. The
    // functions have the types that its public headers give them, and the pointers live as long as
    // the library beside them.
    unsafe {
        let library = Library::new(LIBRARY).map_err(missing)?;
        macro_rules! function {
            ($name:literal) => {
                *library
                    .get(concat!($name, "\0").as_bytes())
                    .map_err(missing)?
            };
        }
        Ok(Gss {
            import_name: function!("gss_import_name"),
            release_name: function!("gss_release_name"),
            display_name: function!("gss_display_name"),
            acquire_with_password: function!("gss_acquire_cred_with_password"),
            acquire_from: function!("gss_acquire_cred_from"),
            release_credential: function!("gss_release_cred"),
            initiate: function!("gss_init_sec_context"),
            accept: function!("gss_accept_sec_context"),
            wrap: function!("gss_wrap"),
            unwrap: function!("gss_unwrap"),
            delete_context: function!("gss_delete_sec_context"),
            release_buffer: function!("gss_release_buffer"),
            display_status: function!("gss_display_status"),
            name_attribute: function!("gss_get_name_attribute"),
            _library: library,
        })
    }
}

fn buffer(bytes: &[u8]) -> Buffer {
    Buffer {
        length: bytes.len(),
        value: bytes.as_ptr().cast_mut().cast(),
    }
}

const fn empty() -> Buffer {
    Buffer {
        length: 0,
        value: ptr::null_mut(),
    }
}

fn bindings(data: &[u8]) -> Bindings {
    Bindings {
        initiator_address_type: 0,
        initiator_address: empty(),
        acceptor_address_type: 0,
        acceptor_address: empty(),
        application_data: buffer(data),
    }
}

fn spnego_only() -> OidSet {
    OidSet {
        count: 1,
        elements: &raw const SPNEGO,
    }
}

impl Gss {
    /// Copies a buffer of the library and releases it.
    fn take(&self, mut buffer: Buffer) -> Vec<u8> {
        let bytes = if buffer.value.is_null() {
            Vec::new()
        } else {
            // SAFETY: the library filled the buffer: `value` points to `length` bytes.
            unsafe { std::slice::from_raw_parts(buffer.value.cast::<u8>(), buffer.length) }.to_vec()
        };
        let mut minor = 0;
        // SAFETY: a buffer of the library's, or an empty one.
        unsafe { (self.release_buffer)(&mut minor, &mut buffer) };
        bytes
    }

    /// Turns a failure into an error with the library's text.
    fn check(&self, doing: &str, major: u32, minor: u32) -> Result<()> {
        if major & ERRORS == 0 {
            return Ok(());
        }
        let words = [(major, 1), (minor, 2)].map(|(status, kind)| {
            let (mut text, mut more, mut ignored) = (empty(), 0, 0);
            // SAFETY: all pointers are to living values; the mechanism may be absent.
            unsafe {
                (self.display_status)(
                    &mut ignored,
                    status,
                    kind,
                    ptr::null(),
                    &mut more,
                    &mut text,
                )
            };
            // Some of its texts include the final zero byte.
            let text = self.take(text);
            String::from_utf8_lossy(&text)
                .trim_end_matches('\0')
                .to_owned()
        });
        Err(Error(format!("{doing}: {}: {}", words[0], words[1])))
    }

    fn name(&'static self, text: &str, kind: &'static Oid) -> Result<Name> {
        let (mut minor, mut name) = (0, ptr::null_mut());
        // SAFETY: all pointers are to living values.
        let major =
            unsafe { (self.import_name)(&mut minor, &buffer(text.as_bytes()), kind, &mut name) };
        self.check(text, major, minor)?;
        Ok(Name { gss: self, name })
    }

    /// The principal of a service on a host.
    pub(crate) fn service(&'static self, service: &str, host: &str) -> Result<Name> {
        self.name(&format!("{service}@{host}"), &HOST_BASED_SERVICE)
    }

    /// Credentials by password. Of the default realm, if the domain is empty.
    pub(crate) fn with_password(
        &'static self,
        user: &str,
        domain: &str,
        password: &str,
    ) -> Result<Credential> {
        let principal = match domain {
            "" => user.to_owned(),
            domain => format!("{user}@{}", domain.to_uppercase()),
        };
        let user = self.name(&principal, &KRB5_PRINCIPAL)?;
        let (mut minor, mut credential) = (0, ptr::null_mut());
        // SAFETY: all pointers are to living values, or absent where the function allows that.
        let major = unsafe {
            (self.acquire_with_password)(
                &mut minor,
                user.name,
                &buffer(password.as_bytes()),
                0,
                &spnego_only(),
                INITIATE,
                &mut credential,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        self.check("log on", major, minor)?;
        Ok(Credential {
            gss: self,
            credential,
        })
    }

    /// Credentials of a service, from its keytab: for tokens of SPNEGO, and of Kerberos alone, such as
    /// those of Windows.
    pub(crate) fn with_keys(
        &'static self,
        keytab: Option<&Path>,
        principal: &str,
    ) -> Result<Credential> {
        let keytab =
            keytab.ok_or_else(|| Error("name the keytab with the service's keys".into()))?;
        let path =
            (keytab.to_str()).ok_or_else(|| Error("the keytab's path is no UTF-8".into()))?;
        let service = self.name(principal, &KRB5_PRINCIPAL)?;
        let mechanisms = OidSet {
            count: SPNEGO_AND_KRB5.len(),
            elements: SPNEGO_AND_KRB5.as_ptr(),
        };
        let keytab =
            CString::new(format!("FILE:{path}")).map_err(|error| Error(error.to_string()))?;
        let element = KeyValue {
            key: c"keytab".as_ptr(),
            value: keytab.as_ptr(),
        };
        let store = KeyValueSet {
            count: 1,
            elements: &element,
        };
        let (mut minor, mut credential) = (0, ptr::null_mut());
        // SAFETY: as above.
        let major = unsafe {
            (self.acquire_from)(
                &mut minor,
                service.name,
                0,
                &mechanisms,
                ACCEPT,
                &store,
                &mut credential,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        let failed = |error| Error(format!("{path}: {principal}: {error}"));
        self.check("read the keytab", major, minor)
            .map_err(failed)?;
        Ok(Credential {
            gss: self,
            credential,
        })
    }

    /// A new exchange.
    pub(crate) fn context(&'static self) -> Context {
        Context {
            gss: self,
            context: ptr::null_mut(),
        }
    }
}

/// A principal's name.
pub(crate) struct Name {
    gss: &'static Gss,
    name: Handle,
}

// SAFETY: names are not bound to threads, and each has one owner.
unsafe impl Send for Name {}
// SAFETY: the library only reads a name after it was made.
unsafe impl Sync for Name {}

impl Name {
    /// The name in text.
    pub(crate) fn text(&self) -> Result<String> {
        let (mut minor, mut text) = (0, empty());
        // SAFETY: all pointers are to living values.
        let major =
            unsafe { (self.gss.display_name)(&mut minor, self.name, &mut text, ptr::null_mut()) };
        let bytes = self.gss.take(text);
        self.gss.check("display a name", major, minor)?;
        String::from_utf8(bytes).map_err(|error| Error(error.to_string()))
    }

    /// The account and its groups, as the ticket attests them.
    pub(crate) fn logon(&self) -> Result<LogonInfo> {
        LogonInfo::from_bytes(&self.verified_attribute("urn:mspac:logon-info")?)
    }

    /// An attribute of the ticket that the library has verified.
    fn verified_attribute(&self, attribute: &str) -> Result<Vec<u8>> {
        let (mut minor, mut authenticated, mut complete, mut more) = (0, 0, 0, -1);
        let (mut value, mut text) = (empty(), empty());
        // SAFETY: all pointers are to living values.
        let major = unsafe {
            (self.gss.name_attribute)(
                &mut minor,
                self.name,
                &buffer(attribute.as_bytes()),
                &mut authenticated,
                &mut complete,
                &mut value,
                &mut text,
                &mut more,
            )
        };
        let bytes = self.gss.take(value);
        self.gss.take(text);
        self.gss.check(attribute, major, minor)?;
        if authenticated == 0 {
            return Err(Error(format!("{attribute}: its signature is not verified")));
        }
        Ok(bytes)
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let mut minor = 0;
        // SAFETY: the name is ours, and released once.
        unsafe { (self.gss.release_name)(&mut minor, &mut self.name) };
    }
}

/// Tickets or keys.
pub(crate) struct Credential {
    gss: &'static Gss,
    credential: Handle,
}

// SAFETY: credentials are not bound to threads; the library locks them itself.
unsafe impl Send for Credential {}
// SAFETY: as above.
unsafe impl Sync for Credential {}

impl Drop for Credential {
    fn drop(&mut self) {
        let mut minor = 0;
        // SAFETY: the credential is ours, and released once.
        unsafe { (self.gss.release_credential)(&mut minor, &mut self.credential) };
    }
}

/// An exchange under way, or done.
pub(crate) struct Context {
    gss: &'static Gss,
    context: Handle,
}

// SAFETY: a context is not bound to a thread, and has one owner.
unsafe impl Send for Context {}

impl Context {
    /// Signs a message for the other side, and seals it if `seal`. Also whether it is sealed.
    pub(crate) fn wrap(&mut self, message: &[u8], seal: bool) -> Result<(Vec<u8>, bool)> {
        let (mut minor, mut sealed, mut output) = (0, 0, empty());
        // SAFETY: all pointers are to living values.
        let major = unsafe {
            (self.gss.wrap)(
                &mut minor,
                self.context,
                c_int::from(seal),
                0,
                &buffer(message),
                &mut sealed,
                &mut output,
            )
        };
        let bytes = self.gss.take(output);
        self.gss.check("seal a message", major, minor)?;
        Ok((bytes, sealed != 0))
    }

    /// The content of a signed message of the other side, and whether it was sealed.
    pub(crate) fn unwrap(&mut self, message: &[u8]) -> Result<(Vec<u8>, bool)> {
        let (mut minor, mut sealed, mut quality, mut output) = (0, 0, 0, empty());
        // SAFETY: all pointers are to living values.
        let major = unsafe {
            (self.gss.unwrap)(
                &mut minor,
                self.context,
                &buffer(message),
                &mut output,
                &mut sealed,
                &mut quality,
            )
        };
        let bytes = self.gss.take(output);
        self.gss.check("open a message", major, minor)?;
        // The library reports these beside success.
        if major & OUT_OF_ORDER != 0 {
            return Err(Error(
                "a message came twice, or one before it is missing".into(),
            ));
        }
        Ok((bytes, sealed != 0))
    }

    /// A step of the client's side. Without a credential the default cache's tickets count. Without
    /// a channel, messages are sealed.
    pub(crate) fn initiate(
        &mut self,
        credential: Option<&Credential>,
        service: &Name,
        channel: Option<&[u8]>,
        input: &[u8],
    ) -> Result<Initiated> {
        let (mut minor, mut flags, mut output) = (0, 0, empty());
        let bindings = channel.map(bindings);
        let wanted = match channel {
            Some(_) => CHANNEL_BOUND,
            None => SEALED | ONCE,
        };
        // SAFETY: all pointers are to living values, or absent where the function allows that.
        let major = unsafe {
            (self.gss.initiate)(
                &mut minor,
                credential.map_or(ptr::null_mut(), |credential| credential.credential),
                &mut self.context,
                service.name,
                &raw const SPNEGO,
                MUTUAL | wanted,
                0,
                bindings.as_ref().map_or(ptr::null(), ptr::from_ref),
                &buffer(input),
                ptr::null_mut(),
                &mut output,
                &mut flags,
                ptr::null_mut(),
            )
        };
        let token = self.gss.take(output);
        self.gss.check("ask for a ticket", major, minor)?;
        Ok(Initiated {
            token,
            done: major & CONTINUE_NEEDED == 0,
            mutual: flags & MUTUAL != 0,
        })
    }

    /// A step of the service's side. Without a channel, the client may bind its ticket to any.
    pub(crate) fn accept(
        &mut self,
        credential: &Credential,
        channel: Option<&[u8]>,
        input: &[u8],
    ) -> Result<AcceptedStep<Name>> {
        let bindings = channel.map(bindings);
        let (mut minor, mut flags, mut output) = (0, 0, empty());
        let (mut client, mut mechanism) = (ptr::null_mut(), ptr::null());
        // SAFETY: as above.
        let major = unsafe {
            (self.gss.accept)(
                &mut minor,
                &mut self.context,
                credential.credential,
                &buffer(input),
                bindings.as_ref().map_or(ptr::null(), ptr::from_ref),
                &mut client,
                &mut mechanism,
                &mut output,
                &mut flags,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        let token = self.gss.take(output);
        let client = (!client.is_null()).then_some(Name {
            gss: self.gss,
            name: client,
        });
        self.gss.check("accept a ticket", major, minor)?;
        let done = major & CONTINUE_NEEDED == 0;
        // SAFETY: the library returns a constant of its own, or nothing.
        let mechanism = unsafe { mechanism.as_ref() }.map_or(&[][..], |oid| {
            // SAFETY: an object identifier's elements are `length` bytes.
            unsafe { std::slice::from_raw_parts(oid.elements.cast::<u8>(), oid.length as usize) }
        });
        Ok(AcceptedStep {
            token,
            client: client.filter(|_| done),
            bound: flags & CHANNEL_BOUND != 0,
            sealing: flags & SEALED == SEALED,
            kerberos: mechanism == KRB5_BYTES,
        })
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let mut minor = 0;
        // SAFETY: the context is ours, and deleted once; none is fine.
        unsafe { (self.gss.delete_context)(&mut minor, &mut self.context, ptr::null_mut()) };
    }
}
