//! Asking through files: for a machine that has graphics cards and no network, and for
//! `vllm run-batch`, which takes and gives the lines of OpenAI's batches.

use std::path::Path;
use std::sync::Arc;

use autodidact_core::{EnsembleSpec, SampleKey, Usd};
use autodidact_providers::{
    Answered, Budget, ChatRequest, RemoteModel, read_offline, write_offline,
};
use autodidact_store::{RunStore, atomic_write};

use crate::StarError;
use crate::ensemble::asking::asking;
use crate::ensemble::data_set::{DataSet, read};
use crate::ensemble::member::{Asking, Member, recorded};
use crate::ensemble::writer::Writer;

/// A request by its custom id, with the key of the sample it draws.
type Named = (SampleKey, (String, ChatRequest));

/// Writes a line for each answer of one model that the journal lacks. Returns how many.
pub async fn write_batch_file(
    spec: &EnsembleSpec,
    model: Arc<RemoteModel>,
    store: &Arc<RunStore>,
    data: &DataSet,
    out: &Path,
) -> Result<u64, StarError> {
    let member = member(model.clone(), store);
    let named = requests(spec, &member, store, data).await?;
    let requests: Vec<_> = named.into_iter().map(|(_, request)| request).collect();
    let lines = write_offline(&model, &requests)?;
    atomic_write(out, &lines)?;
    Ok(requests.len() as u64)
}

/// Journals the answers in a file that came back. Returns how many there were; requests that failed
/// are written again by the next [`write_batch_file`].
pub async fn read_batch_file(
    spec: &EnsembleSpec,
    model: Arc<RemoteModel>,
    store: &Arc<RunStore>,
    data: &DataSet,
    file: &Path,
) -> Result<u64, StarError> {
    let bytes = std::fs::read(file).map_err(|source| StarError::Read {
        path: file.to_owned(),
        source,
    })?;
    let member = member(model.clone(), store);
    let named = requests(spec, &member, store, data).await?;
    let (keys, requests): (Vec<_>, Vec<_>) = named.into_iter().unzip();
    let mut found = 0;
    for (key, (name, outcome)) in keys
        .into_iter()
        .zip(read_offline(&model, &requests, &bytes))
    {
        match outcome {
            Ok(parsed) => {
                let answered = Answered {
                    replies: parsed.replies,
                    usage: parsed.usage,
                    cost: Some(Usd::ZERO),
                    model: parsed.model,
                    request_id: parsed.request_id,
                };
                let entries = member.entries(std::iter::once(key), &answered);
                member.writer.record(entries).await?;
                found += 1;
            }
            Err(error) => tracing::debug!(name, %error, "no answer in the file"),
        }
    }
    member.writer.flush().await?;
    Ok(found)
}

fn member(model: Arc<RemoteModel>, store: &Arc<RunStore>) -> Member {
    Member {
        model,
        // Nothing is sent, so nothing is paid.
        purse: Arc::new(Budget::new(None, Usd::ZERO)),
        writer: Writer::start(store),
    }
}

/// The requests that the journal has no answer to. A custom id is the problem's place in the file
/// and the sample's index, so that it is the same whenever the file is read.
async fn requests(
    spec: &EnsembleSpec,
    member: &Member,
    store: &RunStore,
    data: &DataSet,
) -> Result<Vec<Named>, StarError> {
    let (mut problems, reader) = read(data);
    let samples = member.model.spec().samples;
    let mut named = Vec::new();
    let mut place = 0u64;
    while let Some(problem) = problems.recv().await {
        let asking: Asking = asking(spec, member.name(), &problem, 0, &[], samples);
        let known = recorded(store, &asking).await?;
        for index in (0..samples).filter(|index| !known.indices.contains(index)) {
            let request = member.chat_request(&asking, &[index]);
            named.push((asking.key(index), (format!("p{place}-{index}"), request)));
        }
        place += 1;
    }
    reader.await.map_err(|_| StarError::Worker)??;
    Ok(named)
}
