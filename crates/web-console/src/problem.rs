//! Why a page cannot be shown, or an action not be done.

use std::fmt;

use axum::http::StatusCode;

/// Why a page cannot be shown, or an action not be done.
#[derive(Debug)]
pub struct Problem {
    /// The status of the answer.
    pub status: StatusCode,
    /// In words.
    pub text: String,
}

impl Problem {
    /// What is asked for does not exist.
    pub fn not_found(text: impl Into<String>) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            text: text.into(),
        }
    }

    /// The question makes no sense.
    pub fn wrong(text: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            text: text.into(),
        }
    }

    /// It is refused.
    pub fn refused(text: impl Into<String>) -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            text: text.into(),
        }
    }

    /// Something else must end before.
    pub fn busy(text: impl Into<String>) -> Self {
        Self {
            status: StatusCode::CONFLICT,
            text: text.into(),
        }
    }

    /// Something failed: a repository, a file.
    pub fn failed(error: impl fmt::Display) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            text: error.to_string(),
        }
    }
}
