//! A service in the process of its client: no socket, no network, the same calls.

use contract::ResultCode;
use ntdsbcli::{BackupContext, BackupOptions, Server};
use service::{Mode, Service};
use store::FolderLock;
use tokio::sync::oneshot;

use crate::host::Directory;
use crate::in_memory::Backup;

#[test]
fn a_backup_passes_through_memory_and_the_directory_is_free_afterwards() {
    let directory = Directory::of("sample-forest/clean");
    let (service, connections) =
        Service::in_process(&directory.configuration(), Mode::Normal).expect("the service starts");
    assert_eq!((service.socket(), service.addresses().len()), (None, 0));
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(service.serve(async { drop(stopped.await) }))
    });
    let server = Server::hosted(move || connections.connect());
    assert!(ntdsbcli::is_ntds_online(&server).unwrap());

    let backup = Backup::of(&server);
    assert!(!directory.socket().exists());
    assert_eq!(backup.files.len(), directory.names().len());
    for (file, content) in &backup.files {
        let original = std::fs::read(&file.name).unwrap();
        assert!(original == *content, "{}", file.name);
    }

    drop(stop);
    serving.join().unwrap().unwrap();
    FolderLock::acquire(&[directory.path()]).expect("the directory is free");
    let error = BackupContext::prepare(&server, BackupOptions::full())
        .err()
        .expect("the service has ended");
    assert_eq!(error.code, ResultCode::COULD_NOT_CONNECT);
}
