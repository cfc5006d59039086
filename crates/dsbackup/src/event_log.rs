//! Warnings and errors of the service, in the event log of Windows.

use std::fmt::{Debug, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::Context;
use windows_host::event_log::EventLog;

/// A layer that writes them. `None` if the system offers no event log.
pub fn layer<S: Subscriber>(source: &str) -> Option<impl Layer<S>>
where
    S: for<'span> tracing_subscriber::registry::LookupSpan<'span>,
{
    let log = EventLog::of(source).ok()?;
    Some(Warnings(log).with_filter(LevelFilter::WARN))
}

struct Warnings(EventLog);

impl<S: Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = *event.metadata().level();
        let mut words = Words::default();
        event.record(&mut words);
        let text = format!("{}{}", words.message, words.fields);
        // There is nobody to tell that the event log takes nothing.
        let _ = self.0.write(level == Level::ERROR, &text);
    }
}

/// The message of an event, and its other fields behind it.
#[derive(Default)]
struct Words {
    message: String,
    fields: String,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, "; {name}: {value:?}"),
        };
    }
}
