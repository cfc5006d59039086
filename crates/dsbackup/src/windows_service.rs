//! `dsbackup service`: the backup service of Windows. The service manager starts and stops it;
//! warnings go to the event log.
//!
//! The only unsafe code is in what [`define_windows_service`] makes: it reads the arguments that the
//! service manager passes.
#![allow(unsafe_code)]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use service::{Configuration, Mode, NtdsConfiguration, Service, StoreConfiguration};
use tokio::sync::oneshot;
use windows_service::service::{
    ServiceAccess, ServiceControl, ServiceControlAccept, ServiceErrorControl, ServiceExitCode,
    ServiceInfo, ServiceStartType, ServiceState, ServiceStatus, ServiceType,
};
use windows_service::service_control_handler::{self, ServiceControlHandlerResult};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};
use windows_service::{define_windows_service, service_dispatcher};

use crate::cli::{ServiceCommand, ServiceOptions, ServiceRunOptions};
use crate::failure::{Failure, Outcome, Result};
use crate::signals;

/// The name of the service, and of its events.
pub const NAME: &str = "dsbackup";
/// Its own folder beneath that of all users. The one of the locks, which all write, is another.
const FOLDER: &str = "dsbackup-service";
/// Where the texts of events come from: this program of Windows has one for each number, which is the
/// text in the event.
const MESSAGES: &str = r"%SystemRoot%\System32\EventCreate.exe";
const EVENT_SOURCES: &str = r"SYSTEM\CurrentControlSet\Services\EventLog\Application";
/// The service manager did not start this process.
const NO_SERVICE_MANAGER: i32 = 1063;

/// How long the start of the service may take, and its end, as the service manager is told.
const START: Duration = Duration::from_secs(60);
const END: Duration = Duration::from_secs(30);
/// How long work that goes on is waited for at the end, once the tools of the system were ended.
const LAST_WORK: Duration = Duration::from_secs(15);

/// What the service is to host.
static HOSTED: OnceLock<ServiceRunOptions> = OnceLock::new();
/// How the service ended.
static RESULT: Mutex<Option<Result<()>>> = Mutex::new(None);

define_windows_service!(start, serve_for_manager);

/// Runs the command.
///
/// # Errors
/// When the service manager refuses, or the directory cannot be hosted.
pub fn run(command: &ServiceCommand) -> Result<Outcome> {
    match command {
        ServiceCommand::Install(options) => install(options)?,
        ServiceCommand::Remove => remove()?,
        ServiceCommand::Run(options) => serve(options)?,
    }
    Ok(Outcome::Done)
}

fn failed(doing: &'static str) -> impl FnOnce(windows_service::Error) -> Failure {
    move |error| {
        let error = match error {
            windows_service::Error::Winapi(error) => error,
            error => std::io::Error::other(error),
        };
        Failure::io(doing, format!("service {NAME}"))(error)
    }
}

fn manager(access: ServiceManagerAccess) -> Result<ServiceManager> {
    ServiceManager::local_computer(None::<&str>, access).map_err(failed("ask the manager of the"))
}

fn install(options: &ServiceOptions) -> Result<()> {
    // What is wrong with the configuration is said now, not at the next start.
    let mut launch_arguments: Vec<OsString> = vec!["service".into(), "run".into()];
    if let Some(config) = &options.config {
        let config = std::path::absolute(config).map_err(Failure::io("find", config))?;
        launch_arguments.extend(["--config".into(), config.into()]);
    }
    configuration(options)?;
    let program = std::env::current_exe().map_err(Failure::io("find", "this program"))?;
    let information = ServiceInfo {
        name: NAME.into(),
        display_name: "dsbackup: backups of the directory".into(),
        service_type: ServiceType::OWN_PROCESS,
        start_type: ServiceStartType::AutoStart,
        error_control: ServiceErrorControl::Normal,
        executable_path: program,
        launch_arguments,
        dependencies: Vec::new(),
        // LocalSystem, which holds the privileges.
        account_name: None,
        account_password: None,
    };
    let manager = manager(ServiceManagerAccess::CREATE_SERVICE)?;
    let service = manager.create_service(&information, ServiceAccess::CHANGE_CONFIG);
    let service = service.map_err(failed("install the"))?;
    let description = "Hosts this domain controller's directory for backups and restores.";
    (service.set_description(description)).map_err(failed("describe the"))?;
    let source = windows_registry::LOCAL_MACHINE
        .create(format!("{EVENT_SOURCES}\\{NAME}"))
        .and_then(|key| {
            key.set_expand_string("EventMessageFile", MESSAGES)?;
            key.set_u32("TypesSupported", 7)
        });
    source.map_err(|error| {
        Failure::io("register the source of events", NAME)(std::io::Error::other(error))
    })
}

fn remove() -> Result<()> {
    let manager = manager(ServiceManagerAccess::CONNECT)?;
    let access = ServiceAccess::STOP | ServiceAccess::DELETE | ServiceAccess::QUERY_STATUS;
    let service = (manager.open_service(NAME, access)).map_err(failed("open the"))?;
    // One that does not run cannot be stopped; it is deleted all the same.
    let _ = service.stop();
    service.delete().map_err(failed("remove the"))?;
    if let Ok(sources) = windows_registry::LOCAL_MACHINE
        .options()
        .write()
        .open(EVENT_SOURCES)
    {
        // Events of the past lose their texts, no more.
        let _ = sources.remove_tree(NAME);
    }
    Ok(())
}

fn serve(options: &ServiceRunOptions) -> Result<()> {
    HOSTED.get_or_init(|| options.clone());
    match service_dispatcher::start(NAME, start) {
        Ok(()) => {
            let mut result = RESULT.lock().unwrap_or_else(PoisonError::into_inner);
            result.take().unwrap_or(Ok(()))
        }
        Err(windows_service::Error::Winapi(error))
            if error.raw_os_error() == Some(NO_SERVICE_MANAGER) =>
        {
            let wait = Failure::io("wait for signals", "dsbackup service");
            host(|| signals::end().map_err(wait), || {})
        }
        Err(error) => Err(failed("run the")(error)),
    }
}

/// Runs in a thread of the service manager's dispatcher.
fn serve_for_manager(_: Vec<OsString>) {
    let (stop, stopped) = oneshot::channel();
    let stop = Mutex::new(Some(stop));
    let control = move |control| match control {
        ServiceControl::Stop | ServiceControl::Shutdown => {
            let stop = stop.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(stop) = stop {
                // The service may have ended by itself.
                let _ = stop.send(());
            }
            ServiceControlHandlerResult::NoError
        }
        ServiceControl::Interrogate => ServiceControlHandlerResult::NoError,
        _ => ServiceControlHandlerResult::NotImplemented,
    };
    let status = match service_control_handler::register(NAME, control) {
        Ok(status) => status,
        Err(error) => {
            tracing::error!(%error, "the service manager does not take this service");
            return;
        }
    };
    let tell = |state, wait_hint, exit_code| {
        let controls_accepted = match state {
            ServiceState::Running => ServiceControlAccept::STOP | ServiceControlAccept::SHUTDOWN,
            _ => ServiceControlAccept::empty(),
        };
        let told = status.set_service_status(ServiceStatus {
            service_type: ServiceType::OWN_PROCESS,
            current_state: state,
            controls_accepted,
            exit_code,
            checkpoint: 0,
            wait_hint,
            process_id: None,
        });
        if let Err(error) = told {
            tracing::error!(%error, "the service manager does not take the state of this service");
        }
    };
    let well = ServiceExitCode::NO_ERROR;
    tell(ServiceState::StartPending, START, well);
    let stopped = async {
        drop(stopped.await);
        tell(ServiceState::StopPending, END, well);
    };
    let running = || tell(ServiceState::Running, Duration::ZERO, well);
    let result = host(|| Ok(stopped), running);
    let exit_code = match &result {
        Ok(()) => well,
        Err(error) => {
            tracing::error!(%error, "the service ends");
            ServiceExitCode::ServiceSpecific(1)
        }
    };
    *RESULT.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    tell(ServiceState::Stopped, Duration::ZERO, exit_code);
}

/// Hosts the directory until what `end` makes resolves. Calls `running` once clients are served.
fn host<F: Future<Output = ()>>(
    end: impl FnOnce() -> Result<F>,
    running: impl FnOnce(),
) -> Result<()> {
    let Some(options) = HOSTED.get() else {
        return Ok(());
    };
    let mode = match options.restore_mode {
        true => Mode::Restore,
        false => Mode::Normal,
    };
    let configuration = configuration(&options.service)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::io("start threads", "dsbackup service"))?;
    let served = runtime.block_on(async {
        let end = end()?;
        let at = || Failure::at("dsbackup service");
        let service = Service::start(&configuration, mode).map_err(at())?;
        running();
        service.serve(end).await.map_err(at())
    });
    // A backup may be waiting for a tool of the system.
    platform::process::end_bound();
    runtime.shutdown_timeout(LAST_WORK);
    served
}

/// What the file says; without one this computer's own domain controller.
fn configuration(options: &ServiceOptions) -> Result<Configuration> {
    let configuration = match &options.config {
        Some(file) => Configuration::read(file).map_err(Failure::at("configuration"))?,
        None => Configuration::for_ntds(NtdsConfiguration::with_scratch(scratch_folder())),
    };
    if let StoreConfiguration::Ntds(ntds) = &configuration.store {
        make_private(&ntds.scratch_folder)?;
    }
    Ok(configuration)
}

fn scratch_folder() -> PathBuf {
    let all_users = std::env::var_os("ProgramData").map(PathBuf::from);
    let all_users = all_users.unwrap_or_else(|| r"C:\ProgramData".into());
    all_users.join(FOLDER).join("scratch")
}

/// Makes the folder, and takes the rights of others on one that is there away. Nobody else may own it, or
/// that above it: an owner gives rights, and exchanges folders.
fn make_private(folder: &Path) -> Result<()> {
    let failed = || Failure::io("make private", folder);
    platform::private::make_folders(folder).map_err(failed())?;
    for owned in [folder.parent(), Some(folder)].into_iter().flatten() {
        let access = platform::access::of_entry(owned).map_err(failed())?;
        let is_link = (owned.symlink_metadata().map_err(failed())?).is_symlink();
        if is_link || !access.owner_is_trusted {
            let reason = format!(
                "{} {} {}, who could exchange what the service writes: remove it, or name another \
                 scratch folder (--config)",
                owned.display(),
                if is_link {
                    "is a link of"
                } else {
                    "belongs to"
                },
                access.owner
            );
            return Err(failed()(std::io::Error::other(reason)));
        }
        if owned == folder || owned.file_name() == Some(FOLDER.as_ref()) {
            platform::private::seclude(owned).map_err(failed())?;
        }
    }
    Ok(())
}
