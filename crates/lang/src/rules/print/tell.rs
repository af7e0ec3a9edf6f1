//! Windows, mutes, channels and routes as text.

use std::fmt;

use bellwether_model::labels::Quoted;
use chrono::Weekday;

use super::Braces;
use crate::rules::types::{
    Channel, ChannelKind, GroupBy, Mute, Route, SlackAddress, Window, WindowSpan, Within,
};

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "window {}", self.name)?;
        for span in &self.spans {
            writeln!(f, "  {span}")?;
        }
        for days in &self.except {
            writeln!(f, "  except {} to {}", days.first, days.last)?;
        }
        Ok(())
    }
}

impl fmt::Display for WindowSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zone = match self {
            WindowSpan::Weekly {
                days,
                within,
                times,
                zone,
            } => {
                let days: Vec<&str> = days.iter().map(|day| day_word(*day)).collect();
                write!(f, "every {}{within} {times}", days.join(", "))?;
                zone
            }
            WindowSpan::Monthly {
                first,
                last,
                within,
                times,
                zone,
            } => {
                let (first, last) = (first.get(), last.get());
                write!(f, "every month {first}-{last}{within} {times}")?;
                zone
            }
            WindowSpan::Once { from, to, zone } => {
                let stamp = "%Y-%m-%d %H:%M";
                write!(f, "on {} to {}", from.format(stamp), to.format(stamp))?;
                zone
            }
        };
        write!(f, " in {}", Quoted(zone.name()))
    }
}

/// With a blank in front; nothing when nothing is limited.
impl fmt::Display for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MONTHS: [&str; 12] = [
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ];
        let month = |n: u32| MONTHS.get(n as usize - 1).copied().unwrap_or("");
        let days = self.days.iter();
        let days = days.map(|(a, b)| format!("{}-{}", a.get(), b.get()));
        let months = self.months.iter();
        let months = months.map(|(a, b)| format!("{}-{}", month(*a), month(*b)));
        let years = self.years.iter().map(|(a, b)| format!("{a:04}-{b:04}"));
        for (word, list) in [
            (" of month ", days.collect::<Vec<_>>()),
            (" of ", months.collect()),
            (" of ", years.collect()),
        ] {
            if !list.is_empty() {
                write!(f, "{word}{}", list.join(", "))?;
            }
        }
        Ok(())
    }
}

fn day_word(day: Weekday) -> &'static str {
    match day {
        Weekday::Mon => "mon",
        Weekday::Tue => "tue",
        Weekday::Wed => "wed",
        Weekday::Thu => "thu",
        Weekday::Fri => "fri",
        Weekday::Sat => "sat",
        Weekday::Sun => "sun",
    }
}

impl fmt::Display for Mute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "mute {}", self.name)?;
        if !self.matchers.is_empty() {
            writeln!(f, "  match {}", Braces(&self.matchers))?;
        }
        for (word, windows) in [("during", &self.during), ("outside", &self.outside)] {
            if !windows.is_empty() {
                writeln!(f, "  {word} {}", windows.join(", "))?;
            }
        }
        if let Some(time) = self.until {
            writeln!(f, "  until {time}")?;
        }
        if let Some(cause) = &self.cause {
            write!(f, "  while {}", Braces(&cause.matchers))?;
            if !cause.same.is_empty() {
                write!(f, " same ({})", cause.same.join(", "))?;
            }
            writeln!(f)?;
        }
        writeln!(f, "  reason {}", Quoted(&self.reason))
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "channel {}\n  {}", self.name, self.kind)?;
        if let Some(retry) = self.retry {
            writeln!(f, "  retry {retry}")?;
        }
        match &self.fallback {
            Some(channel) => writeln!(f, "  fallback {channel}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for ChannelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self {
            ChannelKind::Log => Ok(()),
            ChannelKind::Webhook { url, bearer } => {
                write!(f, " {}", Quoted(url))?;
                match bearer {
                    Some(secret) => write!(f, " bearer secret({secret})"),
                    None => Ok(()),
                }
            }
            ChannelKind::Slack(SlackAddress::Token { channel, token }) => {
                write!(f, " {} token secret({token})", Quoted(channel))
            }
            ChannelKind::Slack(SlackAddress::Hook { url }) => write!(f, " webhook secret({url})"),
            ChannelKind::Email { to } => {
                let to: Vec<String> = to.iter().map(|to| Quoted(to).to_string()).collect();
                write!(f, " {}", to.join(", "))
            }
            ChannelKind::PagerDuty { key } => write!(f, " key secret({key})"),
            ChannelKind::Telegram { chat, token } => {
                write!(f, " {} token secret({token})", Quoted(chat))
            }
            ChannelKind::Exec { program, args } => {
                write!(f, " {}", Quoted(program))?;
                args.iter()
                    .try_for_each(|arg| write!(f, " {}", Quoted(arg)))
            }
        }
    }
}

/// What it has from its parent is written out.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "route {}", self.name)?;
        if let Some(parent) = &self.parent {
            write!(f, " in {parent}")?;
        }
        writeln!(f)?;
        if !self.matchers.is_empty() {
            writeln!(f, "  match {}", Braces(&self.matchers))?;
        }
        writeln!(f, "  to {}", self.to.join(", "))?;
        for then in &self.then {
            writeln!(f, "  then after {} to {}", then.after, then.to.join(", "))?;
        }
        match &self.group {
            GroupBy::All => writeln!(f, "  group by all")?,
            GroupBy::Labels(labels) => writeln!(f, "  group by ({})", labels.join(", "))?,
        }
        writeln!(f, "  wait {}\n  batch {}", self.wait, self.batch)?;
        writeln!(f, "  repeat {}", self.repeat)?;
        if let Some(limit) = self.limit {
            writeln!(f, "  limit {} per {}", limit.messages, limit.per)?;
        }
        if self.go_on {
            writeln!(f, "  continue")?;
        }
        Ok(())
    }
}
