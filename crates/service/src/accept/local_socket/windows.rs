//! The socket for clients of this computer, which the service does not have on Windows.

use std::convert::Infallible;
use std::io;
use std::path::Path;

use contract::{Error, Result, ResultCode};

use crate::accept::acceptor::Acceptor;
use crate::caller::local_rule::LocalRule;

/// A listening socket: there is none.
#[derive(Debug)]
pub struct LocalSocket(Infallible);

impl LocalSocket {
    /// Creates the socket.
    ///
    /// # Errors
    /// `hrInvalidPath`: always.
    pub fn bind(path: &Path, _group: Option<u32>) -> Result<Self> {
        Err(Error::new(
            ResultCode::INVALID_PATH,
            format!(
                "socket {}: services have no socket on Windows",
                path.display()
            ),
        ))
    }

    /// Admits connections.
    ///
    /// # Errors
    /// None.
    pub(crate) fn accept(
        &self,
        _: LocalRule,
        _: Acceptor,
    ) -> io::Result<impl Future<Output = ()> + Send + use<>> {
        match self.0 {}
        #[allow(unreachable_code, reason = "gives the future its type")]
        Ok(std::future::ready(()))
    }

    /// The socket's path.
    pub fn path(&self) -> &Path {
        match self.0 {}
    }
}
