//! Which snapshots of one server a policy keeps, with restic's words and restic's results.
//!
//! A pure function of times and tags. What must never be removed, whatever the policy says, is in
//! [`choice`](crate::choice).

use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::{Span, Timestamp, tz::TimeZone};
use serde::Serialize;

/// What is kept. Rules add up: a snapshot stays that any of them keeps.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// The newest so many.
    pub last: u32,
    /// The newest of each of the newest so many hours in which there is a snapshot.
    pub hourly: u32,
    /// As `hourly`, of days in UTC.
    pub daily: u32,
    /// As `hourly`, of weeks that begin on Monday.
    pub weekly: u32,
    /// As `hourly`, of months.
    pub monthly: u32,
    /// As `hourly`, of years.
    pub yearly: u32,
    /// All that are newer than this before the newest.
    pub within: Option<Within>,
    /// Those that have all tags of any of these lists.
    pub tags: Vec<Vec<String>>,
}

/// A time before the newest snapshot, such as `1y6m14d12h`.
#[derive(Debug, Clone, Copy)]
pub struct Within(Span);

/// What the policy looks at.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// When the data was as it is stored.
    pub time: Timestamp,
    /// The words to find it by.
    pub tags: &'a [String],
}

/// Which rule keeps a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// `--keep-tag`
    Tag,
    /// `--keep-within`
    Within,
    /// `--keep-last`
    Last,
    /// `--keep-hourly`
    Hourly,
    /// `--keep-daily`
    Daily,
    /// `--keep-weekly`
    Weekly,
    /// `--keep-monthly`
    Monthly,
    /// `--keep-yearly`
    Yearly,
}

impl Policy {
    /// Whether no rule keeps anything.
    pub fn is_empty(&self) -> bool {
        let counts = [
            self.last,
            self.hourly,
            self.daily,
            self.weekly,
            self.monthly,
            self.yearly,
        ];
        counts == [0; 6] && self.within.is_none() && self.tags.is_empty()
    }

    /// The rules that keep each of `candidates`, which are in any order; none for those that may
    /// go.
    pub fn apply(&self, candidates: &[Candidate<'_>]) -> Vec<Vec<Rule>> {
        let mut newest_first: Vec<usize> = (0..candidates.len()).collect();
        newest_first.sort_by_key(|&index| std::cmp::Reverse(candidates[index].time));
        let mut kept = vec![Vec::new(); candidates.len()];
        let limit = self.limit(candidates);
        let mut periods = [
            Period::new(Rule::Last, self.last),
            Period::new(Rule::Hourly, self.hourly),
            Period::new(Rule::Daily, self.daily),
            Period::new(Rule::Weekly, self.weekly),
            Period::new(Rule::Monthly, self.monthly),
            Period::new(Rule::Yearly, self.yearly),
        ];
        for (position, index) in newest_first.into_iter().enumerate() {
            let Candidate { time, tags } = candidates[index];
            let rules = &mut kept[index];
            if self.has_tags(tags) {
                rules.push(Rule::Tag);
            }
            if limit.is_some_and(|limit| time > limit) {
                rules.push(Rule::Within);
            }
            let civil = time.to_zoned(TimeZone::UTC).datetime();
            for period in &mut periods {
                if period.takes(number(period.rule, civil, position)) {
                    rules.push(period.rule);
                }
            }
        }
        kept
    }

    fn has_tags(&self, tags: &[String]) -> bool {
        self.tags
            .iter()
            .any(|list| list.iter().all(|tag| tags.contains(tag)))
    }

    /// Before the newest snapshot, not before today: where no backup is made any more, none must
    /// go.
    fn limit(&self, candidates: &[Candidate<'_>]) -> Option<Timestamp> {
        let Within(span) = self.within?;
        let newest = candidates.iter().map(|candidate| candidate.time).max()?;
        let limit = newest.to_zoned(TimeZone::UTC).checked_sub(span);
        Some(limit.map_or(Timestamp::MIN, |limit| limit.timestamp()))
    }
}

/// A rule that keeps the newest snapshot of each of so many periods.
struct Period {
    rule: Rule,
    left: u32,
    last: Option<i64>,
}

impl Period {
    fn new(rule: Rule, left: u32) -> Self {
        Self {
            rule,
            left,
            last: None,
        }
    }

    /// Whether the next older snapshot, in the period of this number, is the newest of a period
    /// that still counts.
    fn takes(&mut self, number: i64) -> bool {
        if self.left == 0 || self.last == Some(number) {
            return false;
        }
        self.last = Some(number);
        self.left -= 1;
        true
    }
}

/// Equal for two times in the same period.
fn number(rule: Rule, time: DateTime, position: usize) -> i64 {
    let year = i64::from(time.year());
    let day = (year * 100 + i64::from(time.month())) * 100 + i64::from(time.day());
    match rule {
        Rule::Hourly => day * 100 + i64::from(time.hour()),
        Rule::Daily => day,
        Rule::Weekly => {
            let week = time.date().iso_week_date();
            i64::from(week.year()) * 100 + i64::from(week.week())
        }
        Rule::Monthly => day / 100,
        Rule::Yearly => year,
        Rule::Last | Rule::Tag | Rule::Within => position as i64,
    }
}

impl FromStr for Within {
    type Err = String;

    /// restic's words: numbers with `y`, `m`, `d` and `h`, such as `1y6m14d12h`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is no time such as 1y6m14d12h (years, months, days, hours)");
        let mut span = Span::new();
        let mut digits = String::new();
        for letter in text.chars() {
            if letter.is_ascii_digit() {
                digits.push(letter);
                continue;
            }
            let number: i64 = std::mem::take(&mut digits).parse().map_err(|_| wrong())?;
            let set = match letter {
                'y' => span.try_years(number),
                'm' => span.try_months(number),
                'd' => span.try_days(number),
                'h' => span.try_hours(number),
                _ => return Err(wrong()),
            };
            span = set.map_err(|_| wrong())?;
        }
        match digits.is_empty() && !text.is_empty() {
            true => Ok(Self(span)),
            false => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidates<'a>(times: &[i64], tags: &'a [String]) -> Vec<Candidate<'a>> {
        let candidate = |(index, &time): (usize, &i64)| Candidate {
            time: Timestamp::from_second(time).unwrap(),
            tags: if index % 3 == 0 { tags } else { &[] },
        };
        times.iter().enumerate().map(candidate).collect()
    }

    fn policy() -> impl Strategy<Value = Policy> {
        let within = proptest::option::of((0..3i64, 0..20i64, 0..40i64, 0..30i64));
        let counts = proptest::array::uniform6(0..6u32);
        (counts, within, any::<bool>()).prop_map(|(counts, within, tag)| Policy {
            last: counts[0],
            hourly: counts[1],
            daily: counts[2],
            weekly: counts[3],
            monthly: counts[4],
            yearly: counts[5],
            within: within
                .map(|(y, m, d, h)| Within(Span::new().years(y).months(m).days(d).hours(h))),
            tags: match tag {
                true => vec![vec!["keep".to_owned()]],
                false => Vec::new(),
            },
        })
    }

    fn times() -> impl Strategy<Value = Vec<i64>> {
        // Minutes, hours, days and years apart.
        let steps = proptest::collection::vec((0..4usize, 1..50i64), 0..60);
        steps.prop_map(|steps| {
            let mut now = 1_700_000_000;
            let step = |(unit, count): (usize, i64)| {
                now += [60, 3_600, 86_400, 8_640_000][unit] * count;
                now
            };
            steps.into_iter().map(step).collect()
        })
    }

    proptest! {
        #[test]
        fn what_was_kept_is_kept_again(policy in policy(), times in times()) {
            let tags = ["keep".to_owned()];
            let all = candidates(&times, &tags);
            let kept: Vec<_> = (policy.apply(&all).into_iter().zip(&all))
                .filter(|(rules, _)| !rules.is_empty())
                .map(|(_, candidate)| *candidate)
                .collect();
            prop_assert!(policy.apply(&kept).iter().all(|rules| !rules.is_empty()));
        }

        #[test]
        fn the_order_of_the_list_does_not_matter(policy in policy(), times in times()) {
            let tags = ["keep".to_owned()];
            let all = candidates(&times, &tags);
            let mut turned = all.clone();
            turned.reverse();
            let mut kept = policy.apply(&turned);
            kept.reverse();
            prop_assert_eq!(policy.apply(&all), kept);
        }

        #[test]
        fn a_new_backup_takes_the_place_of_one_at_most_in_each_rule(
            policy in policy(),
            times in times(),
        ) {
            let tags = ["keep".to_owned()];
            let all = candidates(&times, &tags);
            let before = policy.apply(&all);
            let mut more = times.clone();
            more.push(times.last().unwrap_or(&0) + 1);
            let after = policy.apply(&candidates(&more, &tags));
            let rules = [
                Rule::Last, Rule::Hourly, Rule::Daily, Rule::Weekly, Rule::Monthly, Rule::Yearly,
            ];
            for rule in rules {
                let lost = before.iter().zip(&after)
                    .filter(|(before, after)| before.contains(&rule) && !after.contains(&rule));
                prop_assert!(lost.count() <= 1);
            }
        }

        #[test]
        fn any_text_is_a_time_or_refused(text: String) {
            let _ = text.parse::<Within>();
        }
    }

    #[test]
    fn times_are_written_as_restic_does() {
        for text in ["1y6m14d12h", "3d", "0h"] {
            assert!(text.parse::<Within>().is_ok(), "{text}");
        }
        for text in [
            "",
            "3",
            "d",
            "3w",
            "3d4",
            "-3d",
            "99999999999999999999d",
            "3 d",
        ] {
            assert!(text.parse::<Within>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_policy_without_rules_keeps_nothing_and_says_so() {
        assert!(Policy::default().is_empty());
        let all = candidates(&[1, 2, 3], &[]);
        assert!(Policy::default().apply(&all).iter().all(Vec::is_empty));
    }
}
