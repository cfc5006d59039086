//! The results of the steps of an exchange, whichever library makes them.

/// The result of one step of the client's side.
pub(crate) struct Initiated {
    /// For the service; may be empty when the exchange is done.
    pub(crate) token: Vec<u8>,
    pub(crate) done: bool,
    /// Whether the service is authenticated.
    pub(crate) mutual: bool,
}

/// The result of one step of the service's side. `C` is how the library knows the client.
pub(crate) struct AcceptedStep<C> {
    /// For the client; may be empty.
    pub(crate) token: Vec<u8>,
    /// The client, once the exchange is done.
    pub(crate) client: Option<C>,
    /// Whether client and service are bound to the same channel.
    pub(crate) bound: bool,
    /// Whether messages can be sealed.
    pub(crate) sealing: bool,
    /// Whether the negotiated mechanism is Kerberos.
    pub(crate) kerberos: bool,
}
