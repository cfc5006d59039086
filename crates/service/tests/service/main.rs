//! The service as its clients see it: over a real socket, on directories made by the real engine.

mod backup;
mod certificates;
mod client;
mod contexts;
mod crash;
mod damage;
mod host;
mod lifetime;
mod privileges;
mod remote;
mod restore;
mod truncation;
mod walks;
