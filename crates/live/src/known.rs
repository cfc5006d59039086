//! What objects of a server are known by here.

use std::collections::HashMap;
use std::sync::Arc;

use ids::Guid;
use objects::{ObjectId, dn};

/// The objects that were met, and those above them.
#[derive(Default)]
pub struct Known {
    objects: Vec<Object>,
    guids: HashMap<Guid, usize>,
    names: HashMap<Box<str>, usize>,
}

struct Object {
    guid: Option<Guid>,
    dn: Arc<str>,
}

impl Known {
    /// The id of an object that was met.
    pub fn met(&mut self, guid: Option<Guid>, dn: &Arc<str>) -> ObjectId {
        let folded: Box<str> = dn::fold(dn).unwrap_or_else(|| dn.to_lowercase()).into();
        let by_guid = guid.and_then(|guid| self.guids.get(&guid).copied());
        // One that was only known as the name of what is above another.
        let by_name = || {
            let place = self.names.get(&folded).copied()?;
            let object = self.objects.get(place)?;
            (object.guid.is_none() || guid.is_none()).then_some(place)
        };
        let place = match by_guid.or_else(by_name) {
            Some(place) => place,
            None => {
                self.objects.push(Object {
                    guid: None,
                    dn: dn.clone(),
                });
                self.objects.len() - 1
            }
        };
        if let Some(object) = self.objects.get_mut(place) {
            object.guid = object.guid.or(guid);
            object.dn = dn.clone();
        }
        if let Some(guid) = guid {
            self.guids.insert(guid, place);
        }
        self.names.insert(folded, place);
        ObjectId(place as u64)
    }

    /// The id of the object above one of this name; `None` for a name of one part.
    pub fn above(&mut self, dn: &str) -> Option<ObjectId> {
        let parent = dn::parent(dn)?;
        let folded = dn::fold(parent)?;
        Some(match self.names.get(folded.as_str()) {
            Some(place) => ObjectId(*place as u64),
            None => self.met(None, &parent.into()),
        })
    }

    /// What to search an object by; `None` for an id that is none of ours.
    pub fn base(&self, id: ObjectId) -> Option<String> {
        let object = self.objects.get(usize::try_from(id.0).ok()?)?;
        Some(match object.guid {
            Some(guid) => format!("<GUID={guid}>"),
            None => object.dn.to_string(),
        })
    }

    /// The name that an object had last.
    pub fn name(&self, id: ObjectId) -> Option<Arc<str>> {
        Some(self.objects.get(usize::try_from(id.0).ok()?)?.dn.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_keeps_its_id() {
        let mut known = Known::default();
        let above = known.above("CN=a,OU=b,DC=c").unwrap();
        assert_eq!(known.base(above).unwrap(), "OU=b,DC=c");
        let unit = known.met(Some(Guid([1; 16])), &"ou=B,dc=c".into());
        assert_eq!(above, unit);
        let renamed = known.met(Some(Guid([1; 16])), &"OU=d,DC=c".into());
        assert_eq!(unit, renamed);
        assert_eq!(
            known.base(unit).unwrap(),
            format!("<GUID={}>", Guid([1; 16]))
        );
        // Another object took its name.
        let other = known.met(Some(Guid([2; 16])), &"OU=b,DC=c".into());
        assert_ne!(unit, other);
        assert_eq!(known.above("CN=x,OU=b,DC=c"), Some(other));
        assert_eq!(known.above("DC=c"), None);
    }
}
