//! The pages, over a real repository, as a browser asks for them.

mod browser;
mod certificates;
mod compare;
mod directory;
mod lab;
mod login;
mod now;
mod overview;
mod restore;
mod security;
mod snapshots;
mod webdriver;
mod whole;
