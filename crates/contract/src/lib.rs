//! What the published contract of the directory backup functions fixes, shared by the service and its clients.
#![forbid(unsafe_code)]
