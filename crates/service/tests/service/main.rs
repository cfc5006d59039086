//! The service as its clients see it: over a real socket, on directories made by the real engine.

mod audit;
mod backup;
mod certificates;
mod client;
mod contexts;
mod crash;
mod damage;

mod host;
mod hostile;
mod lifetime;
mod privileges;
mod remote;
mod remote_restore;
mod restore;
mod truncation;
mod walks;
mod world;
