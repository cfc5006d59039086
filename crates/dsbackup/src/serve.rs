//! `dsbackup serve`: the backup service on a domain controller.

use backup::hosting;
use service::{Configuration, DirectoryConfiguration, Mode, StoreConfiguration};

use crate::cli::ServeOptions;
use crate::failure::{Failure, Outcome, Result};
use crate::{metrics_endpoint, signals};

/// Hosts a directory until SIGTERM or SIGINT.
///
/// # Errors
/// When the directory cannot be hosted, or the socket cannot be served.
pub fn run(options: &ServeOptions) -> Result<Outcome> {
    let configuration = configuration(options)?;
    let mode = if options.restore_mode {
        Mode::Restore
    } else {
        Mode::Normal
    };
    if let (Mode::Normal, StoreConfiguration::Folder(directory)) = (mode, &configuration.store) {
        hosting::check_before_hosting(directory)?;
    }
    let failed = |doing| Failure::io(doing, "dsbackup serve");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(failed("start threads"))?;
    runtime.block_on(async {
        let shutdown = signals::end().map_err(failed("wait for signals"))?;
        if let (Some(metrics), Some(path)) = (&configuration.metrics, &options.config) {
            let started = metrics_endpoint::start(metrics, path.clone()).await;
            started.map_err(Failure::io("listen on", metrics.listen.to_string()))?;
        }
        service::run(configuration, mode, shutdown)
            .await
            .map_err(Failure::at("dsbackup serve"))
    })?;
    Ok(Outcome::Done)
}

/// What the file says, and before it what the command line says.
fn configuration(options: &ServeOptions) -> Result<Configuration> {
    let mut configuration = match (&options.config, &options.directory) {
        (Some(path), _) => {
            let text = std::fs::read_to_string(path)
                .map_err(Failure::io("read the configuration", path))?;
            Configuration::from_toml(&text).map_err(Failure::at("configuration"))?
        }
        (None, Some(directory)) => Configuration::for_folder(directory),
        // Clap demands one of the three.
        (None, None) => Configuration::for_samba(options.samba.clone().unwrap_or_default()),
    };
    match &mut configuration.store {
        StoreConfiguration::Folder(directory) => describe_folder(directory, options),
        StoreConfiguration::Samba(samba) => {
            replace(&mut samba.smb_conf, &options.samba);
            replace(&mut samba.spool_folder, &options.spool);
        }
    }
    replace(&mut configuration.endpoint.socket, &options.socket);
    if options.audit_log.is_some() {
        configuration.audit.file.clone_from(&options.audit_log);
    }
    if options.group.is_some() {
        configuration.endpoint.group.clone_from(&options.group);
    }
    configuration
        .check()
        .map_err(Failure::at("configuration"))?;
    Ok(configuration)
}

fn describe_folder(directory: &mut DirectoryConfiguration, options: &ServeOptions) {
    replace(&mut directory.database_folder, &options.directory);
    replace(&mut directory.database_file, &options.database_name);
    replace(&mut directory.log_base_name, &options.base_name);
    replace(
        &mut directory.tombstone_lifetime_days,
        &options.tombstone_lifetime,
    );
    directory.recover &= !options.as_is;
    for (place, option) in [
        (&mut directory.log_folder, &options.logs),
        (&mut directory.checkpoint_folder, &options.checkpoint),
    ] {
        if option.is_some() {
            place.clone_from(option);
        }
    }
}

fn replace<T: Clone>(place: &mut T, option: &Option<T>) {
    if let Some(value) = option {
        place.clone_from(value);
    }
}
