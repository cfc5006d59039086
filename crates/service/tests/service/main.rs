//! The service as its clients see it: over a real socket, on directories made by the real engine.

mod audit;
mod audit_log;
mod backup;
mod certificates;
mod client;
mod contexts;
mod crash;
mod crowd;
mod damage;
mod host;
mod hostile;
mod in_memory;
mod invocation_id;
mod kerberos;
mod lifetime;
mod logs_only;
mod own_process;
mod privileges;
mod remote;
mod remote_restore;
mod restore;
mod slow_sender;
mod truncation;
mod walks;
mod world;
