import mne_funcmap as mf

X = mf.simulate_recordings(n_subjects=6, n_sessions=1, duration=40.0, sfreq=500.0)
embedder = mf.FunctionalEmbedder(random_state=0).fit(X[:5])
mf.plot_embedding(embedder.to_frame(X), held_out=["sub-06"], marker=None)
