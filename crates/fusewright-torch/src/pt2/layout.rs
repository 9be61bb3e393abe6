//! Where things are in an archive, found by the names of entries, never by a version.
//!
//! torch 2.6 and 2.7 write `serialized_exported_program.json` beside weights and constants, a container of `torch.save`
//! each. Later ones write `<root>/models/<name>.json`; torch 2.8 such containers below `<root>/data`, the newest a file
//! for each weight and a table of them.

use super::Pt2Error;
use super::archive::Archive;

/// The program of the flat layout, and its weights.
const FLAT_PROGRAM: &str = "serialized_exported_program.json";
const FLAT_WEIGHTS: &str = "serialized_state_dict.pt";
const FLAT_CONSTANTS: &str = "serialized_constants.pt";

/// The name that a program has when it is the only one, and the folder of an archive that was not saved to a path.
const USUAL_NAME: &str = "model";
const UNNAMED_ROOT: &str = "archive";

/// The entries that matter.
#[derive(Debug)]
pub(super) struct Layout {
    /// The program.
    pub(super) program: String,
    /// The table of weights, if the archive has one.
    pub(super) weights_table: Option<String>,
    /// What the table's file names are relative to.
    pub(super) weights_folder: String,
    /// The table of constants, if the archive has one.
    pub(super) constants_table: Option<String>,
    /// What its file names are relative to.
    pub(super) constants_folder: String,
    /// Where weights and constants are where there are no tables: a container of `torch.save` each.
    pub(super) containers: [String; 2],
    /// What to call the graph.
    pub(super) name: String,
}

/// Whether some entry is a program.
pub(super) fn holds_program(archive: &Archive<'_>) -> bool {
    archive.names().any(|name| name == FLAT_PROGRAM || program(name).is_some())
}

/// Root and name of the program at this path.
fn program(path: &str) -> Option<(&str, &str)> {
    let (folder, file) = path.rsplit_once('/')?;
    let root = folder.strip_suffix("models")?;
    (root.is_empty() || root.ends_with('/')).then_some(())?;
    Some((root, file.strip_suffix(".json")?))
}

impl Layout {
    /// Finds the program: the one named `model`, else the only one.
    pub(super) fn find(archive: &Archive<'_>) -> Result<Self, Pt2Error> {
        let programs: Vec<(&str, &str, &str)> =
            archive.names().filter_map(|path| program(path).map(|(root, name)| (path, root, name))).collect();
        let usual = programs.iter().find(|(_, _, name)| *name == USUAL_NAME);
        let &(path, root, name) = match (usual, programs.as_slice()) {
            (Some(usual), _) => usual,
            (None, [only]) => only,
            (None, []) if archive.size(FLAT_PROGRAM).is_some() => return Ok(Self::flat()),
            (None, []) => return Err(Pt2Error::NoProgram),
            (None, several) => {
                let names = several.iter().map(|(path, _, _)| (*path).to_owned()).collect();
                return Err(Pt2Error::SeveralPrograms { names });
            }
        };
        let weights_folder = format!("{root}data/weights/");
        let weights_table = format!("{weights_folder}{name}_weights_config.json");
        let constants_folder = format!("{root}data/constants/");
        let constants_table = format!("{constants_folder}{name}_constants_config.json");
        let title = root.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let title = if matches!(title, "" | UNNAMED_ROOT) { name } else { title };
        let containers = [format!("{weights_folder}{name}.pt"), format!("{constants_folder}{name}.pt")];
        Ok(Self {
            program: path.to_owned(),
            containers,
            weights_table: archive.size(&weights_table).map(|_| weights_table),
            weights_folder,
            constants_table: archive.size(&constants_table).map(|_| constants_table),
            constants_folder,
            name: title.to_owned(),
        })
    }

    fn flat() -> Self {
        Self {
            program: FLAT_PROGRAM.to_owned(),
            containers: [FLAT_WEIGHTS.to_owned(), FLAT_CONSTANTS.to_owned()],
            weights_table: None,
            weights_folder: String::new(),
            constants_table: None,
            constants_folder: String::new(),
            name: USUAL_NAME.to_owned(),
        }
    }

    /// Without a table the weights are one file; whether it is there.
    pub(super) fn has_packed_weights(&self, archive: &Archive<'_>) -> bool {
        if self.program == FLAT_PROGRAM {
            return archive.size(FLAT_WEIGHTS).is_some();
        }
        archive.names().any(|name| name.starts_with(&self.weights_folder))
    }
}
