//! A document as bytes: streamed, so that no more than a header is ever in memory, or as an outline for an analysis.

use std::io::{self, Write};

use bytes::Bytes;
use prost::Message;

use crate::beside::{Beside, Piece};
use crate::document::Document;
use crate::wire::{field_length, header};

/// Most bytes of a protobuf message.
const LARGEST: u64 = (1 << 31) - (1 << 20);

impl Document {
    /// The weights do not fit into the model's file, or did not lie there before.
    pub(crate) fn needs_data_file(&self) -> bool {
        let size = self.tensors.iter().fold(0, |sum: u64, tensor| sum.saturating_add(tensor.size()));
        size.saturating_add(self.slots.len() as u64 * 256) > LARGEST
            || self.tensors.iter().any(crate::tensors::Tensor::is_outside)
    }

    /// Writes the model to `out`; where `beside` gives a name and a second stream, large tensors go there.
    pub(crate) fn write(&self, out: &mut dyn Write, beside: Option<(&str, &mut dyn Write)>) -> io::Result<()> {
        let (mut file, stream) = match beside {
            Some((name, stream)) => (Some(Beside::new(name)), Some(stream)),
            None => (None, None),
        };
        let pieces: Vec<Piece> = self.tensors.iter().map(|tensor| Piece::of(tensor, file.as_mut())).collect();
        let nodes: Vec<Bytes> = self.slots.iter().map(crate::document::Slot::message).collect();
        let length = nodes.iter().map(|node| field_length(1, node.len() as u64));
        let length = length.chain(pieces.iter().map(|piece| field_length(5, piece.length())));
        let length = length.chain(self.graph.iter().map(|field| field.whole.len() as u64));
        let length = length.chain(self.infos.iter().map(|(_, info)| info.len() as u64)).sum();
        for field in &self.before {
            out.write_all(&field.whole)?;
        }
        out.write_all(&header(7, length))?;
        for node in &nodes {
            out.write_all(&header(1, node.len() as u64))?;
            out.write_all(node)?;
        }
        for field in &self.graph {
            out.write_all(&field.whole)?;
        }
        for (_, info) in &self.infos {
            out.write_all(info)?;
        }
        for piece in &pieces {
            out.write_all(&header(5, piece.length()))?;
            piece.write(out)?;
        }
        self.write_end(out)?;
        match (file, stream) {
            (Some(file), Some(stream)) => file.write(stream),
            _ => Ok(()),
        }
    }

    fn write_end(&self, out: &mut dyn Write) -> io::Result<()> {
        for opset in &self.opsets {
            let message = opset.encode_to_vec();
            out.write_all(&header(8, message.len() as u64))?;
            out.write_all(&message)?;
        }
        for field in &self.after {
            out.write_all(&field.whole)?;
        }
        Ok(())
    }

    /// The model without large weights, for an analysis.
    pub(crate) fn outline(&self) -> Bytes {
        let mut graph = Vec::new();
        let mut put = |number: u64, message: &[u8]| {
            graph.extend(header(number, message.len() as u64));
            graph.extend(message);
        };
        for slot in &self.slots {
            put(1, &slot.message());
        }
        for tensor in &self.tensors {
            put(5, &tensor.outline());
        }
        for field in &self.graph {
            graph.extend(&field.whole);
        }
        for (_, info) in &self.infos {
            graph.extend(info);
        }
        let mut model: Vec<u8> = self.before.iter().flat_map(|field| field.whole.to_vec()).collect();
        model.extend(header(7, graph.len() as u64));
        model.extend(graph);
        // Writing to a vector does not fail.
        let _ = self.write_end(&mut model);
        model.into()
    }
}
