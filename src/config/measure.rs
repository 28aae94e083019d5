use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is compared with the threshold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// What was spent in the last 24 hours.
    #[default]
    Daily,
    /// What was spent in the last 6 hours.
    SixHourly,
    /// What was spent since the month began.
    MonthToDate,
}

impl Measure {
    /// As config.toml, the members' template and the notifier name it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::SixHourly => "six-hourly",
            Self::MonthToDate => "month-to-date",
        }
    }

    /// The alarm's period in seconds: the time that is measured, or how often the month so far is looked at.
    pub const fn period(self) -> u32 {
        match self {
            Self::Daily => 86_400,
            Self::SixHourly | Self::MonthToDate => 21_600,
        }
    }

    /// Whether it is about the month so far, which needs no difference, instead of a time up to now.
    pub const fn is_cumulative(self) -> bool {
        matches!(self, Self::MonthToDate)
    }

    /// The seconds that a limit is about; `None` for a month.
    pub const fn span(self) -> Option<i64> {
        if self.is_cumulative() {
            None
        } else {
            Some(self.period() as i64)
        }
    }

    /// What is measured, as the alarm's description begins.
    pub const fn measured(self) -> &'static str {
        match self {
            Self::Daily => "spend of the last 24 hours",
            Self::SixHourly => "spend of the last 6 hours",
            Self::MonthToDate => "charges of the month so far",
        }
    }

    /// What thresholds are compared with, as a sentence.
    pub const fn comparison(self) -> &'static str {
        match self {
            Self::Daily => "Thresholds are compared with the 24 hours up to the newest publication.",
            Self::SixHourly => {
                "The alarm measures six hours: thresholds are compared with the six hours up to the newest publication."
            }
            Self::MonthToDate => "The alarm measures the month: thresholds are compared with the month to date.",
        }
    }

    /// What a usual amount that a threshold is proposed from is of.
    pub const fn proposed_from(self) -> &'static str {
        match self {
            Self::Daily => "a day",
            Self::SixHourly => "in six hours",
            Self::MonthToDate => "a day (the threshold is a month's)",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_word_is_the_one_that_config_toml_takes() {
        for measure in [Measure::Daily, Measure::SixHourly, Measure::MonthToDate] {
            assert_eq!(serde_json::json!(measure), measure.word());
        }
    }
}
