//! The running service, with arbitrary clients: calls in any order with any messages, handles of
//! their own, of others or invented, bytes that are no HTTP/2. The real server is behind real
//! sockets; the input is a list of steps.
//!
//! Besides the absence of panics: a handle is valid only on the connection that made it, a client
//! without privileges is denied everything, and no file outside the directory appears or vanishes.
#![no_main]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use contract::ResultCode;
use hyper_util::rt::TokioIo;
use libfuzzer_sys::fuzz_target;
use prost::Message;
use prost::bytes::{Buf, BufMut, Bytes};
use service::{Configuration, Mode, RemoteConfiguration, Service};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Runtime;
use tokio_stream::StreamExt;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Request, Status};
use wire::v1;

/// The time limit of a wait in a step.
const PATIENCE: Duration = Duration::from_secs(5);

/// The calls. The last three take or give streams.
const CALLS: [&str; 19] = [
    "ad_backup/HrRBackupPrepare",
    "ad_backup/HrRBackupEnd",
    "ad_backup/HrRBackupGetAttachmentInformation",
    "ad_backup/HrRBackupOpenFile",
    "ad_backup/HrRBackupClose",
    "ad_backup/HrRBackupGetBackupLogs",
    "ad_backup/HrRBackupTruncateLogs",
    "ad_backup/HrRBackupPing",
    "ad_restore/HrRIsNTDSOnline",
    "ad_restore/HrRRestorePrepare",
    "ad_restore/HrRRestoreRegister",
    "ad_restore/HrRRestoreClear",
    "ad_restore/HrRRestoreRegisterComplete",
    "ad_restore/HrRRestoreGetDatabaseLocations",
    "ad_restore/HrRRestoreEnd",
    "ad_restore/HrRRestoreSetCurrentLogNumber",
    "ad_identity/Authenticate",
    "ad_backup/HrRBackupRead",
    "ad_restore/HrRRestoreWriteFile",
];

/// The calls without a handle, by their positions in `CALLS`.
const WITHOUT_HANDLE: [usize; 5] = [0, 8, 9, 15, 16];

/// The peer of a step.
const PEERS: usize = 3;
/// The peer without privileges.
const STRANGER: usize = 2;

/// Messages as raw bytes.
#[derive(Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, message: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

/// The input, consumed from its front; zeros after its end.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> u32 {
        u32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = usize::from(self.byte()).min(self.0.len());
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken.to_vec()
    }
}

/// A directory and the service that hosts it.
struct Hosted {
    folder: tempfile::TempDir,
    mode: Mode,
    socket: PathBuf,
    address: std::net::SocketAddr,
    stop: tokio::sync::oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<contract::Result<()>>,
}

/// The state that all inputs share.
struct World {
    runtime: Runtime,
    trust: Arc<rustls::ClientConfig>,
    certificates: tempfile::TempDir,
    /// A token that permits a restore.
    token: Vec<u8>,
    normal: Option<Hosted>,
    restore: Option<Hosted>,
}

impl World {
    fn new() -> Self {
        let runtime = Runtime::new().expect("threads");
        {
            // As in every Rust program but fuzzers: a broken connection is an error, not this
            // signal.
            let _inside = runtime.enter();
            drop(
                tokio::signal::unix::signal(tokio::signal::unix::SignalKind::pipe())
                    .expect("a signal"),
            );
        }
        let certificates = tempfile::tempdir().expect("a folder");
        let made =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let write = |name: &str, text: String| {
            use std::os::unix::fs::PermissionsExt;
            let path = certificates.path().join(name);
            std::fs::write(&path, text).expect("a file");
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("its mode");
        };
        write("service.pem", made.cert.pem());
        write("service.key", made.signing_key.serialize_pem());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("a certificate");
        let mut trust = rustls::ClientConfig::builder_with_provider(wire::tls::provider())
            .with_protocol_versions(wire::tls::VERSIONS)
            .expect("TLS 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        trust.alpn_protocols = vec![wire::tls::ALPN.to_vec()];
        let mut world = Self {
            runtime,
            trust: Arc::new(trust),
            certificates,
            token: Vec::new(),
            normal: None,
            restore: None,
        };
        world.normal = Some(world.host(Mode::Normal));
        world.restore = Some(world.host(Mode::Restore));
        let hosted = world.normal.as_ref().expect("it was started");
        let prepare = v1::BackupPrepareRequest {
            backup_type: 1,
            allow_corrupt: false,
        };
        let answer = world.runtime.block_on(async {
            let channel = over(
                UnixStream::connect(&hosted.socket)
                    .await
                    .expect("it listens"),
            )
            .await;
            call(&channel, 0, prepare.encode_to_vec()).await
        });
        let prepared =
            v1::BackupPrepareResponse::decode(answer.expect("a backup")).expect("its answer");
        world.token = prepared.expiry_token;
        world
    }

    fn host(&self, mode: Mode) -> Hosted {
        let folder = tempfile::tempdir().expect("a folder");
        testkit::find("sample-forest/clean")
            .expect("a fixture that ships")
            .unpack_into(&folder.path().join("directory"));
        let directory = folder
            .path()
            .join("directory")
            .canonicalize()
            .expect("it is there");
        let mut configuration = Configuration::for_folder(directory);
        configuration.directory_mut().expect("a folder").recover = false;
        configuration.endpoint.socket = folder.path().join("run/s.sock");
        configuration.endpoint.piece_timeout_s = 1;
        let at = |name: &str| self.certificates.path().join(name);
        configuration.remote = Some(RemoteConfiguration {
            failures_per_minute: u32::MAX,
            ..RemoteConfiguration::new(
                "127.0.0.1:0".parse().expect("an address"),
                at("service.pem"),
                at("service.key"),
            )
        });
        let _inside = self.runtime.enter();
        let service = Service::start(&configuration, mode).expect("the service starts");
        let (stop, stopped) = tokio::sync::oneshot::channel();
        Hosted {
            folder,
            mode,
            socket: service.socket().expect("it listens").to_path_buf(),
            address: service.addresses()[0],
            stop,
            ended: self.runtime.spawn(service.serve(async {
                let _ = stopped.await;
            })),
        }
    }

    /// Stops a service, and starts it on a new copy of the directory.
    fn renew(&mut self, hosted: Hosted) -> Hosted {
        let mode = hosted.mode;
        drop(hosted.stop);
        let ended = self.runtime.block_on(hosted.ended).expect("no panic");
        ended.expect("the service ends well");
        drop(hosted.folder);
        self.host(mode)
    }
}

async fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Channel {
    let mut stream = Some(TokioIo::new(stream));
    let connector = tower::service_fn(move |_: Uri| {
        let stream = stream.take();
        async move { stream.ok_or(std::io::Error::other("there is one connection only")) }
    });
    Endpoint::from_static("http://fuzz.invalid")
        .connect_with_connector(connector)
        .await
        .expect("the service takes the connection")
}

/// Makes a call and returns its first answer, which is required.
async fn call(channel: &Channel, number: usize, message: Vec<u8>) -> Result<Bytes, ResultCode> {
    let mut client = tonic::client::Grpc::new(channel.clone()).max_decoding_message_size(64 << 20);
    let path = format!("/dsbackup.v1.{}", CALLS[number])
        .parse()
        .expect("a path");
    let answer = async {
        client
            .ready()
            .await
            .map_err(|error| Status::unavailable(error.to_string()))?;
        let answers = client
            .streaming(Request::new(tokio_stream::once(message)), path, Raw)
            .await?;
        answers
            .into_inner()
            .next()
            .await
            .unwrap_or(Ok(Bytes::new()))
    };
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer.map_err(|status| wire::from_status(&status).code),
        Err(_) => panic!("{} was not answered", CALLS[number]),
    }
}

/// A message that fits the call, with numbers and names from the input.
fn message(
    number: usize,
    handle: Vec<u8>,
    world: &World,
    directory: &Path,
    input: &mut Input<'_>,
) -> Vec<u8> {
    let folder = directory.display().to_string();
    let name = |input: &mut Input<'_>| match input.byte() {
        0 => "ntds.dit".to_owned(),
        1 => format!("{folder}/ntds.dit"),
        2 => "edb.chk".to_owned(),
        3 => "../outside".to_owned(),
        number @ 4..20 => format!("edb{:05x}.log", number - 4),
        _ => String::from_utf8_lossy(&input.bytes()).into_owned(),
    };
    match CALLS[number].rsplit_once('/').map_or("", |(_, call)| call) {
        "HrRBackupPrepare" => v1::BackupPrepareRequest {
            backup_type: u32::from(input.byte()),
            allow_corrupt: input.byte() & 1 == 1,
        }
        .encode_to_vec(),
        "HrRBackupOpenFile" => v1::OpenFileRequest {
            handle,
            name: name(input),
            read_hint: match input.byte() {
                0 => 1 << 20,
                _ => input.number(),
            },
        }
        .encode_to_vec(),
        "HrRIsNTDSOnline" => Vec::new(),
        "HrRRestorePrepare" => v1::RestorePrepareRequest {
            restore_type: u32::from(input.byte()),
            expiry_token: match input.byte() {
                0 => Some(world.token.clone()),
                1 => None,
                _ => Some(input.bytes()),
            },
        }
        .encode_to_vec(),
        "HrRRestoreRegister" => v1::RestoreRegisterRequest {
            handle,
            checkpoint_directory: folder.clone(),
            log_directory: match input.byte() {
                0 => folder.clone(),
                _ => name(input),
            },
            databases: vec![v1::DatabaseMap {
                old_path: name(input),
                new_path: format!("{folder}/{}", name(input)),
            }],
            backup_log_directory: folder.clone(),
            generation_low: u32::from(input.byte()),
            generation_high: u32::from(input.byte()),
        }
        .encode_to_vec(),
        "HrRRestoreClear" => v1::RestoreClearRequest {
            handle,
            needed: u64::from(input.number()),
        }
        .encode_to_vec(),
        "HrRRestoreRegisterComplete" => v1::RestoreRegisterCompleteRequest {
            handle,
            restore_state: u32::from(input.byte()),
        }
        .encode_to_vec(),
        "HrRRestoreSetCurrentLogNumber" => v1::SetCurrentLogNumberRequest {
            current_log: input.number(),
        }
        .encode_to_vec(),
        "Authenticate" => v1::AuthenticateRequest {
            token: input.bytes(),
        }
        .encode_to_vec(),
        "HrRRestoreWriteFile" => v1::RestoreFileContent {
            start: Some(v1::RestoreFileStart {
                handle,
                file_type: input.number(),
                name: name(input),
                size: u64::from(input.byte()),
                sha256: input.bytes(),
                modified_ms: i64::from(input.number()),
            }),
            data: input.bytes().into(),
        }
        .encode_to_vec(),
        _ => v1::ContextRequest { handle }.encode_to_vec(),
    }
}

/// The connections of one input, and the handles by peer.
struct Scene<'a> {
    hosted: &'a Hosted,
    trust: &'a Arc<rustls::ClientConfig>,
    channels: [Option<Channel>; PEERS],
    handles: Vec<(usize, Vec<u8>)>,
}

impl Scene<'_> {
    async fn channel(&mut self, peer: usize) -> Channel {
        if let Some(channel) = &self.channels[peer] {
            return channel.clone();
        }
        let channel = if peer == STRANGER {
            let stream = TcpStream::connect(self.hosted.address)
                .await
                .expect("it listens");
            let connector = tokio_rustls::TlsConnector::from(self.trust.clone());
            let name = "localhost".try_into().expect("a name");
            over(connector.connect(name, stream).await.expect("a handshake")).await
        } else {
            over(
                UnixStream::connect(&self.hosted.socket)
                    .await
                    .expect("it listens"),
            )
            .await
        };
        self.channels[peer].insert(channel).clone()
    }

    async fn step(&mut self, world: &World, directory: &Path, input: &mut Input<'_>) {
        let number = usize::from(input.byte()) % (CALLS.len() + 1);
        if number == CALLS.len() {
            return self.noise(input).await;
        }
        let peer = usize::from(input.byte()) % PEERS;
        let (owner, handle) = match input.byte() {
            255 => (None, input.bytes()),
            place => match self.handles.len() {
                0 => (None, vec![7; 16]),
                known => {
                    let (owner, handle) = self.handles[usize::from(place) % known].clone();
                    (Some(owner), handle)
                }
            },
        };
        let mut message = message(number, handle, world, directory, input);
        // Then some of its bytes are changed.
        let changes = input.byte();
        for _ in 0..changes % 16 {
            let place = usize::from(input.byte());
            if let Some(byte) = message.get_mut(place) {
                *byte = input.byte();
            }
        }
        let channel = self.channel(peer).await;
        let answer = call(&channel, number, message).await;
        if peer == STRANGER {
            match answer {
                Err(ResultCode::ACCESS_DENIED) => {}
                // After too many of them, or a malformed message, the connection or the call ends.
                Err(ResultCode::COMMUNICATION_ERROR) => self.channels[STRANGER] = None,
                other => panic!("{} for a stranger: {other:?}", CALLS[number]),
            }
            return;
        }
        if answer.is_ok() && changes % 16 == 0 && !WITHOUT_HANDLE.contains(&number) {
            assert_eq!(
                owner,
                Some(peer),
                "{}: a handle of somebody else's",
                CALLS[number]
            );
        }
        if let Ok(answer) = answer
            && let Ok(given) = v1::ContextRequest::decode(answer)
            && matches!(
                CALLS[number],
                "ad_backup/HrRBackupPrepare" | "ad_restore/HrRRestorePrepare"
            )
        {
            self.handles.push((peer, given.handle));
        }
    }

    /// Bytes that are no call.
    async fn noise(&mut self, input: &mut Input<'_>) {
        let mut stream = UnixStream::connect(&self.hosted.socket)
            .await
            .expect("it listens");
        if input.byte() & 1 == 1 {
            let _ = stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        }
        let _ = stream.write_all(&input.bytes()).await;
        let _ = tokio::time::timeout(Duration::from_millis(5), stream.read(&mut [0; 256])).await;
    }
}

/// Files beside the directory, which must not change.
fn beside(hosted: &Hosted) -> BTreeSet<String> {
    let list = |folder: &Path| -> Vec<String> {
        let entries = std::fs::read_dir(folder).expect("the folder");
        entries
            .map(|entry| entry.expect("an entry").path().display().to_string())
            .collect()
    };
    let folder = hosted.folder.path();
    list(folder)
        .into_iter()
        .chain(list(&folder.join("run")))
        .collect()
}

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

fuzz_target!(|data: &[u8]| {
    WORLD.with_borrow_mut(|world| {
        let world = world.get_or_insert_with(World::new);
        let mut input = Input(data);
        let restoring = input.byte() & 1 == 1;
        let place = if restoring {
            &mut world.restore
        } else {
            &mut world.normal
        };
        let hosted = place.take().expect("it was put back");
        let directory = hosted
            .folder
            .path()
            .join("directory")
            .canonicalize()
            .expect("it is there");
        let before = beside(&hosted);
        let mut scene = Scene {
            hosted: &hosted,
            trust: &world.trust,
            channels: [const { None }; PEERS],
            handles: Vec::new(),
        };
        world.runtime.block_on(async {
            for _ in 0..32 {
                if input.0.is_empty() {
                    break;
                }
                scene.step(world, &directory, &mut input).await;
            }
        });
        drop(scene);
        assert_eq!(
            before,
            beside(&hosted),
            "something happened outside the directory"
        );
        // A restore that was begun may have removed the directory, or left it locked.
        let changed = restoring
            && (directory.join("dsbackup.restore-incomplete.json").exists()
                || !directory.join("ntds.dit").exists());
        let hosted = if changed { world.renew(hosted) } else { hosted };
        let place = if restoring {
            &mut world.restore
        } else {
            &mut world.normal
        };
        *place = Some(hosted);
    });
});
