//! Windows Server releases and the cluster versions that each supports (facts 1.7).

use serde::{Deserialize, Serialize};

/// A release of Windows Server that a simulated machine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Release {
    /// Windows Server 2012 R2, functional level 8.
    #[serde(rename = "2012R2")]
    Server2012R2,
    /// Windows Server 2016, functional level 9.
    #[serde(rename = "2016")]
    Server2016,
    /// Windows Server 2019, functional level 10.
    #[serde(rename = "2019")]
    Server2019,
    /// Windows Server 2022, functional level 11.
    #[serde(rename = "2022")]
    Server2022,
    /// Windows Server 2025, functional level 12.
    #[serde(rename = "2025")]
    Server2025,
}

/// The version numbers of one release.
struct Numbers {
    functional_level: u32,
    upgrade_version: u32,
    major: u16,
    minor: u16,
    build: u16,
}

impl Release {
    /// The highest functional level (cluster major version) that the release supports (facts 1.7).
    pub fn functional_level(self) -> u32 {
        self.numbers().functional_level
    }

    /// The upgrade version within the level. Guess: the last one of each release (facts 8).
    pub fn upgrade_version(self) -> u32 {
        self.numbers().upgrade_version
    }

    /// Major, minor and build number of the operating system.
    pub fn os_version(self) -> (u16, u16, u16) {
        let numbers = self.numbers();
        (numbers.major, numbers.minor, numbers.build)
    }

    /// `NodeHighestVersion`: level in the upper 16 bits, below it the upgrade version, or the build number up to
    /// 2012 R2 (facts 1.7; the recorded 2012 R2 sample is 533888).
    pub fn highest_version(self) -> u32 {
        let low = match self {
            Self::Server2012R2 => 9600,
            _ => self.upgrade_version(),
        };
        make_version(self.functional_level(), low)
    }

    /// `NodeLowestVersion`: the highest version of the release before. 2012 R2 supports only itself, as the recorded
    /// sample shows (facts 3.3). Guess: the low word of the others.
    pub fn lowest_version(self) -> u32 {
        match self {
            Self::Server2012R2 | Self::Server2016 => Self::Server2012R2.highest_version(),
            Self::Server2019 => Self::Server2016.highest_version(),
            Self::Server2022 => Self::Server2019.highest_version(),
            Self::Server2025 => Self::Server2022.highest_version(),
        }
    }

    /// The lowest functional level that a node of this release can work at.
    pub fn lowest_functional_level(self) -> u32 {
        self.lowest_version() >> 16
    }

    /// The release that introduced a functional level.
    pub fn of_level(level: u32) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|release| release.functional_level() == level)
    }

    /// The release of a build: the newest one that is not newer. Guess: a build between two releases, such as one of
    /// Azure Local, behaves as the older one.
    pub fn of_build(build: u32) -> Option<Self> {
        Self::ALL
            .into_iter()
            .rev()
            .find(|release| u32::from(release.numbers().build) <= build)
    }

    /// The name of the release in a scenario.
    pub fn name(self) -> &'static str {
        match self {
            Self::Server2012R2 => "2012R2",
            Self::Server2016 => "2016",
            Self::Server2019 => "2019",
            Self::Server2022 => "2022",
            Self::Server2025 => "2025",
        }
    }

    /// Every release, oldest first.
    pub const ALL: [Self; 5] = [
        Self::Server2012R2,
        Self::Server2016,
        Self::Server2019,
        Self::Server2022,
        Self::Server2025,
    ];

    fn numbers(self) -> Numbers {
        let (functional_level, upgrade_version, (major, minor, build)) = match self {
            Self::Server2012R2 => (8, 0, (6, 3, 9600)),
            Self::Server2016 => (9, 8, (10, 0, 14393)),
            Self::Server2019 => (10, 3, (10, 0, 17763)),
            Self::Server2022 => (11, 4, (10, 0, 20348)),
            Self::Server2025 => (12, 6, (10, 0, 26100)),
        };
        Numbers {
            functional_level,
            upgrade_version,
            major,
            minor,
            build,
        }
    }
}

/// CLUSTER_MAKE_VERSION (facts 1.7).
pub(crate) fn make_version(major: u32, minor: u32) -> u32 {
    (major << 16) | (minor & 0xFFFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_sample_of_2012_r2() {
        assert_eq!(Release::Server2012R2.highest_version(), 533_888);
        assert_eq!(Release::Server2012R2.lowest_version(), 533_888);
    }

    #[test]
    fn neighbours_share_exactly_one_level() {
        for pair in Release::ALL.windows(2) {
            assert_eq!(pair[1].lowest_functional_level(), pair[0].functional_level());
            assert_eq!(pair[1].functional_level(), pair[0].functional_level() + 1);
            assert_eq!(Release::of_level(pair[1].functional_level()), Some(pair[1]));
        }
    }
}
