//! What is known of a setting apart from its value: what `--help`, the reference, D-Bus and forms are made from. The
//! methods that take and return `self` are the attributes of the `settings!` declarations.

use crate::kind::Kind;
use crate::value::Value;

/// When a changed setting takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Apply {
    /// At once, in the running server.
    Live,
    /// In the next generation of workers: a reload is needed.
    NextGeneration,
    /// After the server was started anew.
    Restart,
}

impl Apply {
    /// The sentence of the reference.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Live => "at once",
            Self::NextGeneration => "with the next generation of workers",
            Self::Restart => "after a restart",
        }
    }
}

/// The least and the greatest measure that a setting takes, both included; in bytes, microseconds or plain numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The least measure.
    pub least: u64,
    /// The greatest measure.
    pub most: u64,
}

/// All that is known of one setting apart from its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingMeta {
    /// The key in a file.
    pub key: &'static str,
    /// The title of its group.
    pub group: &'static str,
    /// What it does; Markdown, the first line is a sentence of its own.
    pub doc: String,
    /// The shape of the value.
    pub kind: Kind,
    /// The word that stands for the value in `--help`.
    pub placeholder: &'static str,
    /// Whether it may be unset.
    pub optional: bool,
    /// The default as it would be written in a file; `None` where it is unset by default.
    pub default: Option<String>,
    /// The range of its measure.
    pub range: Option<Range>,
    /// Whether the measure must be a power of two.
    pub power_of_two: bool,
    /// When a change takes effect.
    pub apply: Apply,
    /// The letter of its option, as gunicorn's.
    pub letter: Option<char>,
    /// The long options without their dashes: the name first, then others that mean the same.
    pub options: Vec<String>,
    /// Whether it is given on the command line by its place, and not as an option.
    pub positional: bool,
    /// Whether one text may hold several items of the list, with commas between them.
    pub commas: bool,
    /// The environment variable that gives the default, as with gunicorn.
    pub environment: Option<&'static str>,
    /// What gunicorn calls it in its configuration file, where that differs; used in answers, never as a key.
    pub gunicorn: Option<&'static str>,
    /// Whether it says how much of the system is kept from the instance.
    pub confines: bool,
}

impl SettingMeta {
    pub(crate) fn new<T: Value>(key: &'static str, group: &'static str, doc: &str, default: &T) -> Self {
        Self {
            key,
            group,
            doc: doc.lines().map(str::trim).collect::<Vec<_>>().join("\n").trim().to_owned(),
            kind: T::KIND,
            placeholder: T::KIND.placeholder(),
            optional: T::OPTIONAL,
            default: default.render(),
            range: None,
            power_of_two: false,
            apply: Apply::NextGeneration,
            letter: None,
            options: vec![key.replace('_', "-")],
            positional: false,
            commas: false,
            environment: None,
            gunicorn: None,
            confines: false,
        }
    }

    pub(crate) fn range(mut self, range: std::ops::RangeInclusive<u64>) -> Self {
        self.range = Some(Range { least: *range.start(), most: *range.end() });
        self
    }

    /// The word that stands for the value, where that of its kind says too little.
    pub(crate) fn placeholder(mut self, word: &'static str) -> Self {
        self.placeholder = word;
        self
    }

    pub(crate) fn power_of_two(mut self) -> Self {
        self.power_of_two = true;
        self
    }

    pub(crate) fn apply(mut self, apply: Apply) -> Self {
        self.apply = apply;
        self
    }

    pub(crate) fn letter(mut self, letter: char) -> Self {
        self.letter = Some(letter);
        self
    }

    /// The option's name where it is not the key with hyphens.
    pub(crate) fn option(mut self, name: &str) -> Self {
        self.options.insert(0, name.to_owned());
        self
    }

    /// One more name of the option.
    pub(crate) fn also(mut self, name: &str) -> Self {
        self.options.push(name.to_owned());
        self
    }

    pub(crate) fn positional(mut self) -> Self {
        self.positional = true;
        self.options.clear();
        self
    }

    pub(crate) fn commas(mut self) -> Self {
        self.commas = true;
        self
    }

    pub(crate) fn environment(mut self, name: &'static str) -> Self {
        self.environment = Some(name);
        self
    }

    pub(crate) fn gunicorn(mut self, name: &'static str) -> Self {
        self.gunicorn = Some(name);
        self
    }

    pub(crate) fn confines(mut self) -> Self {
        self.confines = true;
        self
    }

    /// Whether who may set it can run code as the instance's user, or have files written and read as that user: true for all
    /// settings that name code, files, sockets, users or variables of the environment. Who may set what confines the instance
    /// could let code that runs already out of that.
    #[must_use]
    pub fn decides_code(&self) -> bool {
        let item = match self.kind {
            Kind::List(item) => *item,
            kind => kind,
        };
        // Where the set of words or the syntax is narrow, nothing can be named.
        let harmless = matches!(
            item,
            Kind::Boolean
                | Kind::Count
                | Kind::CountOrAuto
                | Kind::Workers
                | Kind::Bytes
                | Kind::Duration
                | Kind::Choice(_)
                | Kind::Peers
                | Kind::UrlPath
                | Kind::RequestTarget
                | Kind::HeaderName
        );
        self.confines || !harmless
    }

    /// The range in words: `between 1 and 512`; `None` where there is none.
    #[must_use]
    pub fn range_in_words(&self) -> Option<String> {
        let power = if self.power_of_two { "a power of two " } else { "" };
        self.range
            .map(|range| format!("{power}between {} and {}", self.kind.show(range.least), self.kind.show(range.most)))
    }

    /// What a value has to be, for a mistake: `a whole number, between 1 and 512`.
    #[must_use]
    pub fn wanted(&self) -> String {
        let mut wanted = match self.kind {
            Kind::List(item) => format!("a list, each item {}", item.wanted()),
            kind => kind.wanted(),
        };
        if let Some(range) = self.range_in_words() {
            wanted.push_str(&format!(", {range}"));
        }
        wanted
    }

    /// Whether a measure is in range.
    #[must_use]
    pub fn allows(&self, measure: u64) -> bool {
        self.range.is_none_or(|range| (range.least..=range.most).contains(&measure))
            && (!self.power_of_two || measure.is_power_of_two())
    }
}
