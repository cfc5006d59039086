//! Random walks: whatever clients call in whatever order, they get documented codes and harm
//! nothing.

use contract::{Result, ResultCode};
use store::restore_marker::RestoreMarker;

use crate::client::{Client, take};
use crate::host::{Directory, PATIENCE};
use crate::restore::{Backup, back_up, starts};

/// A repeatable sequence of choices (xorshift).
struct Choices(u64);

impl Choices {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// Handles that were given out, dead ones too, and some that never were.
struct Handles(Vec<Vec<u8>>);

impl Handles {
    fn new() -> Self {
        Self(vec![vec![], vec![7; 16], vec![7; 300]])
    }

    fn keep(&mut self, handle: Result<Vec<u8>>) -> Result<()> {
        handle.map(|handle| self.0.push(handle))
    }

    /// Mostly a late one.
    fn pick(&self, choices: &mut Choices) -> Vec<u8> {
        let late = self.0.len().saturating_sub(3);
        match choices.below(5) {
            0 => choices.one_of(&self.0).clone(),
            _ => choices.one_of(&self.0[late..]).clone(),
        }
    }
}

fn assert_documented(result: &Result<()>, documented: &[ResultCode]) {
    if let Err(error) = result {
        assert!(documented.contains(&error.code), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_in_any_order_harm_no_backup() {
    let directory = Directory::of("sample-forest/dirty");
    let names: Vec<String> = directory
        .names()
        .iter()
        .map(|name| directory.listed(name))
        .chain([
            "".into(),
            "/etc/passwd".into(),
            directory.listed("../s.sock"),
        ])
        .collect();
    let before = directory.names();
    let host = directory.host();
    for seed in 1..=6u64 {
        let mut choices = Choices(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut clients = [
            Client::connect(host.socket()).await,
            Client::connect(host.socket()).await,
        ];
        let mut handles = Handles::new();
        for _ in 0..300 {
            let client = &mut clients[choices.below(2)];
            let handle = handles.pick(&mut choices);
            let name = choices.one_of::<String>(&names).clone();
            let result = match choices.below(14) {
                0 | 1 => {
                    let backup_type = *choices.one_of(&[1, 1, 1, 2, 4, 9]);
                    let prepared = client.prepare_as(backup_type, choices.below(2) == 0).await;
                    handles.keep(prepared.map(|prepared| prepared.handle))
                }
                2 => client.database_files(&handle).await.map(drop),
                3 => client.log_files(&handle).await.map(drop),
                4..=6 => {
                    let hint = *choices.one_of(&[24576, 1 << 20, 0, 12345]);
                    client.open_with(&handle, &name, hint).await.map(drop)
                }
                7 | 8 => match client.begin_reading(&handle).await {
                    Ok(stream) if choices.below(2) == 0 => {
                        take(stream, &mut Vec::new()).await.map(drop)
                    }
                    stream => stream.map(drop),
                },
                9 => client.close(&handle).await,
                10 => client.ping(&handle).await,
                11 => client.truncate(&handle).await.map(drop),
                12 if choices.below(4) == 0 => client.end(&handle).await,
                _ => client.prepare_restore(None).await.map(drop),
            };
            assert_documented(
                &result,
                &[
                    ResultCode::INVALID_HANDLE,
                    ResultCode::INVALID_PARAM,
                    ResultCode::INVALID_PARAMETER,
                    ResultCode::ALREADY_OPEN,
                    ResultCode::FILE_NOT_FOUND,
                    ResultCode::HANDLE_EOF,
                    ResultCode::BACKUP_IN_PROGRESS,
                    ResultCode::FULL_BACKUP_NOT_TAKEN,
                    ResultCode::DATABASE_IN_USE,
                ],
            );
        }
    }
    assert_eq!(directory.names(), before);
    let mut client = Client::connect(host.socket()).await;
    let handle = crate::contexts::prepare_within(&mut client, PATIENCE).await;
    for file in client.fetch_all(&handle).await.unwrap() {
        assert!(file.content == std::fs::read(&file.entry.name).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_in_any_order_never_unlock_half_a_restore() {
    let directory = Directory::of("sample-forest/dirty");
    let backup = back_up(&directory).await;
    let token = backup.token.clone();
    let tokens = [
        Some(token.as_slice()),
        Some(&token),
        None,
        Some(b"x"),
        Some(b""),
    ];
    for seed in 1..=6u64 {
        backup.copy_into(&directory);
        RestoreMarker::clear(&directory.path()).unwrap();
        // A database that must not be let online.
        std::fs::write(directory.file("ntds.dit"), "half a database").unwrap();
        let host = directory.host_for_restore();
        let mut choices = Choices(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut clients = [
            Client::connect(host.socket()).await,
            Client::connect(host.socket()).await,
        ];
        let mut handles = Handles::new();
        let mut registered = false;
        for _ in 0..150 {
            let client = &mut clients[choices.below(2)];
            let handle = handles.pick(&mut choices);
            let result = match choices.below(8) {
                0 | 1 => {
                    let token = *choices.one_of(&tokens);
                    handles.keep(client.prepare_restore(token).await)
                }
                2 => client.locations(&handle).await.map(drop),
                3 | 4 => register(client, &backup, &handle, &directory, &mut choices).await,
                5 => {
                    let state = *choices.one_of(&[ResultCode::OK, ResultCode::DISK_FULL]);
                    let completed = client.complete(&handle, state).await;
                    assert!(
                        !state.is_ok() || completed.is_err(),
                        "half a database passed"
                    );
                    completed
                }
                6 => client.end_restore(&handle).await,
                _ => client.prepare().await.map(drop),
            };
            assert_documented(
                &result,
                &[
                    ResultCode::INVALID_HANDLE,
                    ResultCode::INVALID_PARAM,
                    ResultCode::INVALID_PARAMETER,
                    ResultCode::INVALID_PATH,
                    ResultCode::MISSING_EXPIRY_TOKEN,
                    ResultCode::UNKNOWN_EXPIRY_TOKEN_FORMAT,
                    ResultCode::RESTORE_IN_PROGRESS,
                    ResultCode::RESTORE_MAP_EXISTS,
                    ResultCode::DATABASE_CORRUPTED,
                ],
            );
            registered |= RestoreMarker::read(&directory.path()).unwrap().is_some();
            let marker = RestoreMarker::read(&directory.path()).unwrap();
            assert_eq!(marker.is_some(), registered, "once locked, locked for good");
        }
        assert!(
            registered,
            "seed {seed} never came as far as a registration"
        );
        host.stop().unwrap();
        let refusal = starts(&directory).err();
        assert_eq!(refusal.unwrap().code, ResultCode::RESTORE_IN_PROGRESS);
    }
}

async fn register(
    client: &mut Client,
    backup: &Backup,
    handle: &[u8],
    directory: &Directory,
    choices: &mut Choices,
) -> Result<()> {
    let mut request = backup.registration(handle, directory);
    match choices.below(6) {
        0 => request.generation_high = u32::MAX,
        1 => request.databases.clear(),
        2 => request.log_directory = "/".into(),
        _ => {}
    }
    client.register(request).await
}
