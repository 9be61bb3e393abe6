//! How a model was opened, as a lock file keeps it.

use fusewright_hf::Phase;
use fusewright_ir::DType;
use fusewright_plan::Profile;
use fusewright_report::LockSettings;

use crate::Session;

impl Session {
    /// What a lock file keeps of this session.
    pub(super) fn lock_settings(&self) -> LockSettings {
        LockSettings {
            autocast: self.autocast.map(|dtype| dtype.name().to_owned()),
            dims: self.dims.clone(),
            dtype: self.dtype.map(|dtype| dtype.name().to_owned()),
            fast_norms: self.fast_norms,
            phase: self.phase.map(|phase| phase_name(phase).to_owned()),
            ..LockSettings::default()
        }
    }

    /// The session that a lock file describes.
    pub(super) fn from_lock_settings(settings: &LockSettings) -> Result<Self, String> {
        let dtype = |name: &String| DType::from_name(name).ok_or_else(|| format!("`{name}` is no element type"));
        let phase = |name: &String| {
            let known = [Phase::Prefill, Phase::Decode].into_iter().find(|&phase| phase_name(phase) == name);
            known.ok_or_else(|| format!("`{name}` is no phase, expected prefill or decode"))
        };
        let mut session = Session::new().with_fast_norms(settings.fast_norms);
        session.dims.clone_from(&settings.dims);
        session.dtype = settings.dtype.as_ref().map(dtype).transpose()?;
        session.autocast = settings.autocast.as_ref().map(dtype).transpose()?;
        session.phase = settings.phase.as_ref().map(phase).transpose()?;
        Ok(session)
    }
}

/// The profile that a lock file names.
pub(super) fn profile(settings: &LockSettings) -> Result<Profile, String> {
    let known = [Profile::Default, Profile::Reference].into_iter().find(|known| known.name() == settings.profile);
    known.ok_or_else(|| format!("`{}` is no profile, expected default or reference", settings.profile))
}

fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Prefill => "prefill",
        Phase::Decode => "decode",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_comes_back_from_its_settings() {
        let session = Session::new()
            .with_dim("batch", 8)
            .with_dtype(DType::Bf16)
            .with_autocast(DType::F16)
            .with_fast_norms(true)
            .with_phase(Phase::Decode);
        let settings = session.lock_settings();
        let back = Session::from_lock_settings(&settings).expect("the settings are those of a session");
        assert_eq!(back.lock_settings(), settings);
        let wrong = LockSettings { dtype: Some("f99".to_owned()), ..settings };
        assert_eq!(Session::from_lock_settings(&wrong).expect_err("no such type"), "`f99` is no element type");
    }
}
