//! The table: each row is the result of one function on one condition, and a test of it.

use std::fmt::Write;

use libtest_mimic::{Failed, Trial};
use ntdsbcli::contract::ResultCode;

use crate::library::Form;

/// The source of a result.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Microsoft's page of the function.
    Page,
    /// Microsoft's pages of the walk-throughs, of sibling functions or of the error codes.
    Pages,
    /// The published headers: a code's name and description.
    Header,
    /// Our choice, where the published documentation says nothing.
    Ours,
    /// A feature that the original lacks.
    Beyond,
}

impl Source {
    fn word(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Pages => "pages",
            Self::Header => "header",
            Self::Ours => "ours",
            Self::Beyond => "**beyond**",
        }
    }
}

/// The expected result.
#[derive(Clone, Copy)]
pub enum Expected {
    /// This code.
    Code(ResultCode),
    /// The function returns nothing, or something else than a code.
    Other(&'static str),
}

struct Row {
    function: &'static str,
    forms: &'static [Form],
    parameter: &'static str,
    condition: String,
    expected: Expected,
    source: Source,
    test: std::sync::Arc<dyn Fn(Form) + Send + Sync>,
}

/// All rows, in the order of the document.
#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
}

/// One function's part of the table.
pub struct Part<'a> {
    table: &'a mut Table,
    function: &'static str,
    forms: &'static [Form],
}

impl Table {
    /// The part of a function that has an A and a W form.
    pub fn both_forms(&mut self, function: &'static str) -> Part<'_> {
        Part {
            table: self,
            function,
            forms: &[Form::A, Form::W],
        }
    }

    /// The part of a function that has one form.
    pub fn single(&mut self, function: &'static str) -> Part<'_> {
        Part {
            table: self,
            function,
            forms: &[Form::None],
        }
    }

    /// The tests: a row is one for each form.
    pub fn trials(&self) -> Vec<Trial> {
        let mut trials = Vec::new();
        for row in &self.rows {
            for &form in row.forms {
                let name = format!(
                    "{}{}: {}: {}",
                    row.function,
                    form.suffix(),
                    row.parameter,
                    row.condition
                );
                let test = row.test.clone();
                trials.push(Trial::test(name, move || -> Result<(), Failed> {
                    test(form);
                    Ok(())
                }));
            }
        }
        trials
    }

    /// The document's tables.
    pub fn to_markdown(&self) -> String {
        let mut text = String::new();
        let mut function = "";
        for row in &self.rows {
            if row.function != function {
                function = row.function;
                let _ = write!(
                    text,
                    "\n## {function}\n\n| forms | parameter | condition | result | source |\n\
                     | --- | --- | --- | --- | --- |\n"
                );
            }
            let forms = match row.forms {
                [Form::None] => "-",
                [Form::A] => "A",
                [Form::W] => "W",
                _ => "A, W",
            };
            let expected = match row.expected {
                Expected::Code(code) => format!("`{}`", code.name().unwrap_or("?")),
                Expected::Other(words) => words.to_owned(),
            };
            let _ = writeln!(
                text,
                "| {forms} | {} | {} | {expected} | {} |",
                row.parameter,
                row.condition,
                row.source.word()
            );
        }
        text
    }

    /// How many rows there are, and how many tests.
    pub fn counts(&self) -> (usize, usize) {
        (
            self.rows.len(),
            self.rows.iter().map(|row| row.forms.len()).sum(),
        )
    }
}

impl Part<'_> {
    /// A row for a code: the test returns what the function returned.
    pub fn row(
        &mut self,
        parameter: &'static str,
        condition: impl Into<String>,
        code: ResultCode,
        source: Source,
        test: impl Fn(Form) -> ResultCode + Send + Sync + 'static,
    ) -> &mut Self {
        self.add(
            self.forms,
            parameter,
            condition.into(),
            Expected::Code(code),
            source,
            move |form| {
                assert_eq!(test(form), code);
            },
        )
    }

    /// As [`row`](Self::row), for the W form only.
    pub fn wide_row(
        &mut self,
        parameter: &'static str,
        condition: impl Into<String>,
        code: ResultCode,
        source: Source,
        test: impl Fn(Form) -> ResultCode + Send + Sync + 'static,
    ) -> &mut Self {
        self.add(
            &[Form::W],
            parameter,
            condition.into(),
            Expected::Code(code),
            source,
            move |form| {
                assert_eq!(test(form), code);
            },
        )
    }

    /// A row for something else than a code: the test asserts by itself.
    pub fn other(
        &mut self,
        parameter: &'static str,
        condition: impl Into<String>,
        expected: &'static str,
        source: Source,
        test: impl Fn(Form) + Send + Sync + 'static,
    ) -> &mut Self {
        self.add(
            self.forms,
            parameter,
            condition.into(),
            Expected::Other(expected),
            source,
            test,
        )
    }

    fn add(
        &mut self,
        forms: &'static [Form],
        parameter: &'static str,
        condition: String,
        expected: Expected,
        source: Source,
        test: impl Fn(Form) + Send + Sync + 'static,
    ) -> &mut Self {
        self.table.rows.push(Row {
            function: self.function,
            forms,
            parameter,
            condition,
            expected,
            source,
            test: std::sync::Arc::new(test),
        });
        self
    }
}
