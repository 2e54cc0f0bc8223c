//! The languages that the catalogue speaks, and how a locale names them.
//!
//! The environment is read by `cli`; its values come here as arguments.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// A language of the catalogue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Lang {
    /// English, complete by definition; what the others fall back to.
    #[default]
    En,
    /// French.
    Fr,
    /// Japanese.
    Ja,
    /// Portuguese of Brazil.
    Pt,
}

/// A name that stands for none of the languages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown language \"{name}\"; known are en, fr, ja and pt")]
pub struct UnknownLang {
    /// The name as given.
    pub name: String,
}

impl Lang {
    /// Every language, English first.
    pub const ALL: [Self; 4] = [Self::En, Self::Fr, Self::Ja, Self::Pt];

    /// The two letters of ISO 639-1.
    pub const fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Fr => "fr",
            Self::Ja => "ja",
            Self::Pt => "pt",
        }
    }

    /// The language of a locale name such as `fr`, `fr_CA.UTF-8` or `pt-BR`; `None` for others.
    pub fn from_locale(locale: &str) -> Option<Self> {
        let name = locale.split(['_', '-', '.', '@']).next().unwrap_or_default();
        Self::ALL.into_iter().find(|lang| name.eq_ignore_ascii_case(lang.code()))
    }

    /// The language that `LC_ALL`, `LC_MESSAGES` and `LANG` ask for.
    ///
    /// The first that is set and not empty decides, even if it names a language that is not here:
    /// that is English then.
    pub fn from_environment(
        lc_all: Option<&str>,
        lc_messages: Option<&str>,
        lang: Option<&str>,
    ) -> Self {
        [lc_all, lc_messages, lang]
            .into_iter()
            .flatten()
            .find(|value| !value.is_empty())
            .and_then(Self::from_locale)
            .unwrap_or_default()
    }
}

impl FromStr for Lang {
    type Err = UnknownLang;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::from_locale(name).ok_or_else(|| UnknownLang { name: name.to_owned() })
    }
}

impl fmt::Display for Lang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locale_names_give_their_language() {
        let cases = [
            ("fr", Some(Lang::Fr)),
            ("fr_CA.UTF-8", Some(Lang::Fr)),
            ("pt-BR", Some(Lang::Pt)),
            ("ja_JP.eucJP", Some(Lang::Ja)),
            ("EN_us", Some(Lang::En)),
            ("C.UTF-8", None),
            ("fra", None),
            ("", None),
        ];
        for (locale, expected) in cases {
            assert_eq!(Lang::from_locale(locale), expected, "{locale}");
        }
    }

    #[test]
    fn the_first_variable_that_is_set_decides() {
        let environment = Lang::from_environment;
        assert_eq!(environment(Some("ja_JP.UTF-8"), Some("fr_FR"), Some("pt_BR")), Lang::Ja);
        assert_eq!(environment(Some(""), Some("fr_FR"), Some("pt_BR")), Lang::Fr);
        assert_eq!(environment(None, None, Some("pt_BR.UTF-8")), Lang::Pt);
        assert_eq!(environment(Some("C"), None, Some("fr_FR")), Lang::En);
        assert_eq!(environment(None, None, Some("de_DE")), Lang::En);
        assert_eq!(environment(None, None, None), Lang::En);
    }

    #[test]
    fn an_unknown_name_says_what_is_known() {
        let error = "klingon".parse::<Lang>().expect_err("no such language");
        let text = "unknown language \"klingon\"; known are en, fr, ja and pt";
        assert_eq!(error.to_string(), text);
    }
}
