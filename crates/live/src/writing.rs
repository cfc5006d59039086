//! Changes of a server's directory.

use objects::ldap::oid;
use rasn_ldap::{
    AddRequest, Attribute, ChangeOperation, DelRequest, LdapResult, ModifyDnRequest, ModifyRequest,
    ModifyRequestChanges, PartialAttribute, ProtocolOp,
};
use zeroize::Zeroizing;

use crate::connection::Connection;
use crate::{Live, Result, controls};

/// A change of one object. Objects are named by their distinguished names, or by `<GUID=...>`.
/// Without `Debug`, so that nothing shows a password.
#[derive(Clone)]
pub enum Operation {
    /// A new object.
    Add {
        /// Its name.
        dn: String,
        /// Its attributes.
        attributes: Vec<(String, Vec<Zeroizing<Vec<u8>>>)>,
    },
    /// Other values, all or none of them.
    Modify {
        /// The object.
        object: String,
        /// What changes, in this order.
        changes: Vec<Modification>,
    },
    /// Another name, another place, or both.
    Rename {
        /// The object.
        object: String,
        /// Its own new name.
        rdn: String,
        /// The object above it.
        parent: String,
    },
    /// No object any more.
    Delete {
        /// The object, without any beneath it.
        object: String,
    },
}

/// Other values of an attribute.
#[derive(Clone)]
pub struct Modification {
    /// What becomes of the values.
    pub how: How,
    /// The attribute.
    pub attribute: String,
    /// The values; none with [`How::Delete`] and [`How::Replace`] removes the attribute.
    pub values: Vec<Zeroizing<Vec<u8>>>,
}

/// What becomes of the values of a [`Modification`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// They come to those that are there.
    Add,
    /// They go.
    Delete,
    /// They are all that stays.
    Replace,
}

/// What a change needs besides. A server that does not know it refuses the change, with
/// [`Control::Relax`] because of what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// The object may be deleted.
    Deleted,
    /// Owner, group, DACL and SACL of a security descriptor are written.
    WholeDescriptor,
    /// Of a security descriptor the DACL alone is written.
    AccessList,
    /// Values may be there already, or be absent already.
    Permissive,
    /// Samba's privileged socket: attributes that only the system sets.
    Relax,
    /// Samba's privileged socket: hashes of passwords as they are.
    PasswordHashes,
}

impl Live {
    /// Changes the directory.
    ///
    /// # Errors
    /// [`crate::Error::Refused`] with the server's code and words, and nothing is changed; others if
    /// the connection breaks, and whether it is changed is unknown.
    pub fn write(&self, operation: Operation, with: &[Control]) -> Result<()> {
        self.connection().change(operation, with)
    }
}

impl Connection {
    fn change(&mut self, operation: Operation, with: &[Control]) -> Result<()> {
        let doing = match &operation {
            Operation::Add { dn, .. } => format!("add {dn:?}"),
            Operation::Modify { object, .. } => format!("modify {object:?}"),
            Operation::Rename { object, .. } => format!("rename {object:?}"),
            Operation::Delete { object } => format!("delete {object:?}"),
        };
        let with = with.iter().flat_map(|control| match control {
            Control::Deleted => vec![
                controls::of_change(oid::SHOW_DELETED),
                controls::of_change(oid::SHOW_RECYCLED),
            ],
            Control::WholeDescriptor => vec![controls::whole_descriptors()],
            Control::AccessList => vec![controls::access_lists()],
            Control::Permissive => vec![controls::of_change(oid::PERMISSIVE_MODIFY)],
            // Critical, Samba 4.17 refuses it with a modification (12), and never answers a rename.
            Control::Relax => vec![controls::of_change_if_known(oid::RELAX)],
            Control::PasswordHashes => vec![controls::of_change(oid::BYPASS_PASSWORD_HASH)],
        });
        let answer = self.ask(request(operation), with.collect())?;
        let result: LdapResult = match answer {
            ProtocolOp::AddResponse(answer) => answer.0,
            ProtocolOp::ModifyResponse(answer) => answer.0,
            ProtocolOp::ModDnResponse(answer) => answer.0,
            ProtocolOp::DelResponse(answer) => answer.0,
            other => return Err(self.unexpected("an answer to the change", &other)),
        };
        match result.result_code {
            rasn_ldap::ResultCode::Success => Ok(()),
            code => Err(self.refused(&doing, code, result.diagnostic_message.0)),
        }
    }
}

fn request(operation: Operation) -> ProtocolOp {
    let octets = |values: Vec<Zeroizing<Vec<u8>>>| {
        let values = values.into_iter().map(|value| value.to_vec().into());
        values.collect::<Vec<_>>().into()
    };
    match operation {
        Operation::Add { dn, attributes } => {
            let attributes = attributes
                .into_iter()
                .map(|(name, values)| Attribute::new(name.into(), octets(values)));
            ProtocolOp::AddRequest(AddRequest {
                entry: dn.into(),
                attributes: attributes.collect(),
            })
        }
        Operation::Modify { object, changes } => {
            let changes = changes.into_iter().map(|change| {
                let values = octets(change.values);
                ModifyRequestChanges {
                    operation: match change.how {
                        How::Add => ChangeOperation::Add,
                        How::Delete => ChangeOperation::Delete,
                        How::Replace => ChangeOperation::Replace,
                    },
                    modification: PartialAttribute::new(change.attribute.into(), values),
                }
            });
            ProtocolOp::ModifyRequest(ModifyRequest {
                object: object.into(),
                changes: changes.collect(),
            })
        }
        Operation::Rename {
            object,
            rdn,
            parent,
        } => ProtocolOp::ModDnRequest(ModifyDnRequest {
            entry: object.into(),
            new_rdn: rdn.into(),
            delete_old_rdn: true,
            new_superior: Some(parent.into()),
        }),
        Operation::Delete { object } => ProtocolOp::DelRequest(DelRequest(object.into())),
    }
}
