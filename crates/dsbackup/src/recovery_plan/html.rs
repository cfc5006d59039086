//! The plan as a page of its own, to print and to tick off: without scripts, and without anything
//! from elsewhere.

use std::path::Path;

use documents::html::escaped;
use forest::{Plan, Step};

use super::text::{UNTRIED, about, facts, in_a_line};
use crate::failure::{Failure, Result};

const STYLE: &str = "\
body{font:14px/1.5 sans-serif;margin:2em auto;max-width:60em;color:#222;background:#fff}
h1{font-size:1.6em}h2{font-size:1.15em;border-bottom:1px solid #bbb;margin-top:1.6em}
table{border-collapse:collapse}td,th{text-align:left;vertical-align:top;padding:.2em 1em .2em 0}
ol{list-style:none;padding:0}li{margin:.7em 0;padding-left:2.2em;break-inside:avoid}
li::before{content:\"\\2610\";float:left;margin-left:-1.6em;font-size:1.2em}
pre{background:#f3f3f3;padding:.5em .7em;margin:.4em 0;white-space:pre-wrap;overflow-wrap:anywhere}
.missing{border-left:4px solid #b00;padding:.1em 1em;background:#fff4f4}
.u::after{content:\" *\";color:#b00;font-weight:bold}
@media print{body{margin:0;max-width:none;font-size:11px}}";

/// Writes the page to a file; one of that name is replaced.
///
/// # Errors
/// Fails if the file cannot be written.
pub fn write(plan: &Plan, file: &Path) -> Result<()> {
    std::fs::write(file, page(plan)).map_err(Failure::io("write", file))
}

fn page(plan: &Plan) -> String {
    let name = escaped(&plan.forest.name);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'\">\n<title>Recovery of {name}</title>\n\
         <style>\n{STYLE}\n</style></head>\n<body><h1>Recovery of the forest {name}</h1>\n<table>\n"
    );
    for (heading, value) in facts(plan) {
        page += &row(&[heading.into(), value]);
    }
    page += "</table>\n<h2>Domains, in this order</h2>\n<table>\n";
    for choice in &plan.domains {
        let snapshot = match &choice.snapshot {
            Some(snapshot) => in_a_line(snapshot),
            None => "CANNOT BE RECOVERED".into(),
        };
        let controller = choice.controller.clone().unwrap_or_default();
        page += &row(&[
            choice.domain.clone(),
            controller,
            snapshot,
            choice.why.clone(),
        ]);
    }
    page += "</table>\n<h2>Controllers</h2>\n<table>\n";
    for controller in &plan.forest.controllers {
        page += &row(&[controller.name.clone(), about(plan, controller)]);
    }
    page += "</table>\n";
    if !plan.missing.is_empty() {
        page += "<h2>Missing today</h2>\n<div class=\"missing\">\n";
        for missing in &plan.missing {
            page += &format!("<p>{}</p>\n", escaped(missing));
        }
        page += "</div>\n";
    }
    for (number, phase) in plan.phases.iter().enumerate() {
        page += &format!("<h2>{}. {}</h2>\n<ol>\n", number + 1, escaped(&phase.title));
        page.extend(phase.steps.iter().map(step));
        page += "</ol>\n";
    }
    page += &format!("<p>{}</p>\n</body></html>\n", escaped(UNTRIED));
    page
}

fn row(cells: &[String]) -> String {
    let cells: Vec<String> = (cells.iter())
        .map(|cell| format!("<td>{}</td>", escaped(cell)))
        .collect();
    format!("<tr>{}</tr>\n", cells.concat())
}

fn step(step: &Step) -> String {
    let class = if step.untried { " class=\"u\"" } else { "" };
    let mut text = format!("<li><span{class}>{}</span>", escaped(&step.text));
    if !step.commands.is_empty() {
        let commands: Vec<String> = step.commands.iter().map(|line| escaped(line)).collect();
        text += &format!("<pre>{}</pre>", commands.join("\n"));
    }
    text + "</li>\n"
}
