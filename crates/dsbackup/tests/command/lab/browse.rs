//! `dsbackup browse`, and what its clients see.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

use super::Run;

/// A running `dsbackup browse`; it ends when this is dropped.
pub struct Server {
    process: Child,
    /// Its address and port.
    pub address: String,
    /// The password, for any user name.
    pub password: String,
    /// What clients connect to.
    pub url: String,
}

impl Server {
    /// Starts `dsbackup browse SOURCE`, with further arguments, at a port of its own.
    pub fn start(command: &mut Command) -> Self {
        let mut process = command
            .args(["--listen", "127.0.0.1:0", "--json"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("dsbackup");
        let output = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut text = String::new();
        for line in output.lines() {
            text += &line.expect("a line");
            if text.ends_with('}') {
                break;
            }
        }
        let told: Json = serde_json::from_str(&text).expect("JSON");
        let of = |name: &str| told[name].as_str().expect("text").to_owned();
        Self {
            process,
            url: format!("ldap://{}", of("address")),
            address: of("address"),
            password: of("password"),
        }
    }

    /// Starts it over the directory in a folder.
    pub fn over(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dsbackup"));
        command.current_dir(folder).args(["browse", "."]);
        Self::start(command.args(arguments))
    }

    /// One of OpenLDAP's programs, bound with the password.
    pub fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(["-x", "-H", &self.url, "-D", "reader", "-w", &self.password]);
        command.args(arguments);
        command
    }

    /// Runs one of OpenLDAP's programs.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Run {
        Run::of(&mut self.command(program, arguments))
    }

    /// The output of a search that must succeed.
    pub fn search(&self, arguments: &[&str]) -> String {
        let format = ["-LLL", "-o", "ldif-wrap=no"];
        let run = self.run("ldapsearch", &[&format, arguments].concat());
        assert_eq!(run.code, Some(0), "{arguments:?}: {run}");
        run.stdout
    }

    /// The most memory that the server had so far.
    pub fn peak_kib(&self) -> u64 {
        let status = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(status).expect("a process");
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM"))
            .expect("VmHWM");
        line.split_whitespace()
            .nth(1)
            .expect("a number")
            .parse()
            .expect("a number")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The values of objects, by distinguished name.
pub type Objects = BTreeMap<Vec<u8>, Vec<(String, Vec<u8>)>>;

/// The objects of an LDIF file, their values in order.
pub fn objects(ldif: &str) -> Objects {
    let unfolded = ldif.replace("\n ", "");
    let mut found = Objects::new();
    let mut name = Vec::new();
    for line in unfolded.lines() {
        let Some((attribute, value)) = line.split_once(':') else {
            continue;
        };
        if line.starts_with('#') || line == "version: 1" {
            continue;
        }
        let value = match value.strip_prefix(':') {
            Some(digits) => STANDARD.decode(digits.trim()).expect("base64"),
            None => value.strip_prefix(' ').unwrap_or(value).as_bytes().to_vec(),
        };
        match attribute {
            "dn" => {
                name.clone_from(&value);
                assert!(found.insert(value, Vec::new()).is_none(), "twice: {line}");
            }
            _ => found
                .get_mut(&name)
                .expect("an object")
                .push((attribute.to_owned(), value)),
        }
    }
    found
}
