//! The program as its users meet it: its commands, its service, its files. One program for all
//! tests, since each would be linked with everything that dsbackup needs.

mod browse;
mod browse_clients;
mod chains;
mod damage;
mod diff;
mod directory_secrets;
mod every_fixture;
mod faults;
mod hostile_snapshot;
mod interrupts;
mod jobs;
mod lab;
mod locks;
mod manual;
mod notifications;
mod objects;
mod one_shot;
mod output;
mod proof;
mod read_despite_damage;
mod reading;
mod recovery;
mod recovery_plan;
mod refused_files;
mod remote;
mod reported;
mod restic;
mod retention;
mod samba_directory;
mod secrets;
mod servers;
mod ship;
mod snapshot_sources;
mod tokens;
mod walkthrough;
