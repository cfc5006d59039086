//! A connection to an SFTP server through an `ssh` of our own, and a repository's file operations
//! over it.

use std::io;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use russh_sftp::protocol::{File, OpenFlags};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use super::Access;
use super::server::{Server, is_broken};

/// The size of a message that every server supports; OpenSSH's report more.
const PIECE: u32 = 32 << 10;
/// The largest size that is requested.
const LARGEST_PIECE: u64 = 255 << 10;
/// Concurrent requests, so that each need not wait for a round trip.
const WINDOW: usize = 16;
/// The time that `ssh` gets to exit by itself.
const FAREWELL: Duration = Duration::from_secs(5);
/// The most bytes of `ssh`'s error output that are kept.
const SAID: usize = 2 << 10;

/// A connected server. Its `ssh` ends with it.
pub(super) struct Session {
    server: Arc<Server>,
    ssh: Child,
    read_piece: u32,
    write_piece: usize,
}

impl Session {
    /// Starts `ssh` and negotiates the protocol.
    pub(super) async fn start(access: &Access) -> io::Result<Self> {
        let mut ssh = command(access);
        // An interrupt from the terminal must not reach it: the connection is needed to clean up the
        // repository.
        platform::process::shield_from_interrupts(ssh.as_std_mut());
        let mut ssh = ssh
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(input), Some(output), Some(mut errors)) =
            (ssh.stdin.take(), ssh.stdout.take(), ssh.stderr.take())
        else {
            return Err(io::Error::other("ssh has no pipes"));
        };
        let said = Arc::new(Mutex::new(Vec::new()));
        let listening = tokio::spawn({
            let said = said.clone();
            async move {
                let mut part = [0; 512];
                while let Ok(length @ 1..) = errors.read(&mut part).await {
                    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                    if said.len() < SAID {
                        said.extend_from_slice(part.get(..length).unwrap_or_default());
                    }
                }
            }
        });
        let server = match Server::greet(input, output).await {
            Ok(server) => server,
            Err(error) => {
                // ssh prints its error before it exits.
                let _ = tokio::time::timeout(FAREWELL, listening).await;
                let said = said.lock().unwrap_or_else(PoisonError::into_inner);
                let said = String::from_utf8_lossy(&said);
                let said: Vec<&str> = said.lines().map(str::trim).collect();
                return Err(match said.join("; ").trim() {
                    "" => io::Error::new(error.kind(), format!("no SFTP server answers: {error}")),
                    said => io::Error::new(
                        error.kind(),
                        format!("no SFTP server answers; ssh reports: {said}"),
                    ),
                });
            }
        };
        let piece =
            |limit: Option<u64>| limit.map_or(PIECE, |limit| limit.clamp(1, LARGEST_PIECE) as u32);
        Ok(Self {
            read_piece: piece(server.limits.read_len),
            write_piece: piece(server.limits.write_len) as usize,
            server: Arc::new(server),
            ssh,
        })
    }

    /// Ends the connection and waits for `ssh` to exit.
    pub(super) async fn end(mut self) {
        self.server.dismiss();
        if tokio::time::timeout(FAREWELL, self.ssh.wait())
            .await
            .is_err()
        {
            let _ = self.ssh.kill().await;
        }
    }

    /// Whether the server syncs files and folders, so that stored content survives a power failure.
    pub(super) async fn is_durable(&self, folder: &str) -> bool {
        self.server.syncs && self.sync_folder(folder).await.is_ok()
    }

    /// Writes a file atomically: under a temporary name, synced, renamed, its folder synced, as far
    /// as the server supports it.
    pub(super) async fn write(
        &self,
        folder: &str,
        name: &str,
        temporary: &str,
        content: &[Bytes],
    ) -> io::Result<()> {
        let (temporary, path) = (format!("{folder}/{temporary}"), format!("{folder}/{name}"));
        let written = async {
            let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::EXCLUDE;
            let handle = self.server.open(&temporary, flags, Some(0o600)).await?;
            let mut written = self.send(&handle, content).await;
            if self.server.syncs && written.is_ok() {
                written = self.server.sync(&handle).await;
            }
            let closed = self.server.close(handle).await;
            written.and(closed)?;
            self.rename(&temporary, &path, content).await
        }
        .await;
        match written {
            Ok(()) if self.server.syncs => match self.sync_folder(folder).await {
                // A server without it is not durable (see `is_durable`).
                Err(error) if is_broken(&error) => Err(error),
                _ => Ok(()),
            },
            Ok(()) => Ok(()),
            Err(error) => {
                let _ = self.server.remove(&temporary).await;
                Err(error)
            }
        }
    }

    async fn send(&self, handle: &str, content: &[Bytes]) -> io::Result<()> {
        let mut under_way = JoinSet::new();
        let mut offset = 0;
        for part in content
            .iter()
            .flat_map(|part| part.chunks(self.write_piece))
        {
            if under_way.len() == WINDOW {
                joined(under_way.join_next().await)?;
            }
            let (server, handle) = (self.server.clone(), handle.to_owned());
            let (at, piece) = (offset, part.to_vec());
            offset += part.len() as u64;
            under_way.spawn(async move { server.write(&handle, at, piece).await });
        }
        while !under_way.is_empty() {
            joined(under_way.join_next().await)?;
        }
        Ok(())
    }

    /// Gives a complete file its name. Names depend on the content, so an existing file is as good.
    async fn rename(&self, from: &str, to: &str, content: &[Bytes]) -> io::Result<()> {
        if self.server.renames_over {
            return self.server.rename_over(from, to).await;
        }
        let Err(error) = self.server.rename(from, to).await else {
            return Ok(());
        };
        let length: usize = content.iter().map(Bytes::len).sum();
        match self.size(to).await {
            Ok(size) if size == length as u64 => self.server.remove(from).await,
            _ => Err(error),
        }
    }

    /// Syncs a folder, opened like a file: OpenSSH's server passes both to the system.
    async fn sync_folder(&self, folder: &str) -> io::Result<()> {
        let handle = self.server.open(folder, OpenFlags::READ, None).await?;
        let synced = self.server.sync(&handle).await;
        synced.and(self.server.close(handle).await)
    }

    /// The size of a file in bytes.
    pub(super) async fn size(&self, path: &str) -> io::Result<u64> {
        let size = self.server.attributes(path).await?.size;
        size.ok_or_else(|| io::Error::other(format!("{path}: the server tells no size")))
    }

    /// Reads `length` bytes at `offset`, or the whole file.
    pub(super) async fn read(&self, path: &str, part: Option<(u64, u32)>) -> io::Result<Vec<u8>> {
        let (offset, length) = match part {
            Some((offset, length)) => (offset, u64::from(length)),
            None => (0, self.size(path).await?),
        };
        let handle = self.server.open(path, OpenFlags::READ, None).await?;
        let content = self.read_open(&handle, offset, length).await;
        let closed = self.server.close(handle).await;
        content.and_then(|content| closed.map(|()| content))
    }

    async fn read_open(&self, handle: &str, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        // No file of a repository has 4 GiB or more.
        let length = u32::try_from(length).map_err(io::Error::other)? as usize;
        let mut content = Vec::new();
        content
            .try_reserve_exact(length)
            .map_err(io::Error::other)?;
        content.resize(length, 0);
        let piece = self.read_piece as usize;
        let mut under_way = JoinSet::new();
        let mut starts = (0..length).step_by(piece);
        loop {
            while under_way.len() < WINDOW
                && let Some(start) = starts.next()
            {
                let (server, handle) = (self.server.clone(), handle.to_owned());
                let (at, wanted) = (offset + start as u64, piece.min(length - start));
                under_way.spawn(async move {
                    let read = read_piece(&server, &handle, at, wanted).await;
                    read.map(|read| (start, read))
                });
            }
            if under_way.is_empty() {
                return Ok(content);
            }
            let (start, read) = joined(under_way.join_next().await)?;
            if let Some(place) = content.get_mut(start..start + read.len()) {
                place.copy_from_slice(&read);
            }
        }
    }

    /// The entries of a folder.
    pub(super) async fn list(&self, folder: &str) -> io::Result<Vec<File>> {
        self.server.list(folder).await
    }

    /// Makes a folder, if it does not exist.
    pub(super) async fn make_folder(&self, folder: &str) -> io::Result<()> {
        let Err(error) = self.server.make_folder(folder, 0o700).await else {
            return Ok(());
        };
        match self.server.attributes(folder).await {
            Ok(found) if found.is_dir() => Ok(()),
            _ => Err(error),
        }
    }

    /// Removes a file.
    pub(super) async fn remove(&self, path: &str) -> io::Result<()> {
        self.server.remove(path).await
    }
}

/// Reads exactly `length` bytes; the server may return fewer at a time.
async fn read_piece(
    server: &Server,
    handle: &str,
    offset: u64,
    wanted: usize,
) -> io::Result<Vec<u8>> {
    let mut content = Vec::with_capacity(wanted);
    while content.len() < wanted {
        let rest = (wanted - content.len()) as u32;
        let at = offset + content.len() as u64;
        content.extend_from_slice(&server.read(handle, at, rest).await?);
    }
    Ok(content)
}

/// The command that connects to the server: the system's `ssh`, or the user's own.
fn command(access: &Access) -> Command {
    if let Some(text) = &access.command {
        return platform::process::shell(text).into();
    }
    let mut ssh = Command::new("ssh");
    // Without questions, which nobody could answer, and without becoming a master process.
    ssh.args([
        "-oBatchMode=yes",
        "-oControlMaster=no",
        "-oServerAliveInterval=60",
    ]);
    if let Some(port) = access.address.port {
        ssh.args(["-p", &port.to_string()]);
    }
    if let Some(user) = &access.address.user {
        ssh.args(["-l", user]);
    }
    if let Some(key) = &access.key {
        ssh.args(["-i", key]);
    }
    ssh.args(["-s", "--", &access.address.host, "sftp"]);
    ssh
}

fn joined<T>(task: Option<Result<io::Result<T>, tokio::task::JoinError>>) -> io::Result<T> {
    match task {
        Some(Ok(result)) => result,
        Some(Err(error)) => Err(io::Error::other(error)),
        None => Err(io::Error::other("a request was lost")),
    }
}
