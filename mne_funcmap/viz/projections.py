"""Embeddings in two or three dimensions."""

import warnings

import numpy as np

PERPLEXITY = 30.0
N_NEIGHBORS = 15


def project(embeddings, method, n_dims):
    """Project embeddings on a few dimensions.

    Parameters
    ----------
    embeddings : ndarray, shape (n_rows, n_components)
        The embeddings.
    method : "pca" | "tsne" | "umap"
        How.
    n_dims : int
        On how many dimensions.

    Returns
    -------
    points : ndarray, shape (n_rows, n_dims)
        The points.
    names : list of str
        Names of the dimensions.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {list(METHODS)}, got {method!r}.")
    return METHODS[method](embeddings, n_dims)


def project_pca(embeddings, n_dims):
    """Return the first principal components, as by `project`."""
    from sklearn.decomposition import PCA

    pca = PCA(min(n_dims, *embeddings.shape)).fit(embeddings)
    points = np.zeros((len(embeddings), n_dims))
    points[:, : pca.n_components_] = pca.transform(embeddings)
    shares = np.nan_to_num(pca.explained_variance_ratio_)
    shares = [f"{share:.0%}" if share >= 0.005 else "<1%" for share in shares]
    names = [f"PC {i} ({share} of variance)" for i, share in enumerate(shares, 1)]
    return points, [*names, "", ""][:n_dims]


def project_tsne(embeddings, n_dims):
    """Return the t-SNE, as by `project`."""
    from sklearn.manifold import TSNE

    # of fewer points than three perplexities, neighbours are not a minority
    perplexity = min(PERPLEXITY, max((len(embeddings) - 1) / 3, 0.5))
    init = "pca" if min(embeddings.shape) >= n_dims else "random"
    tsne = TSNE(n_dims, perplexity=perplexity, init=init, random_state=0)
    return tsne.fit_transform(embeddings), [f"t-SNE {i + 1}" for i in range(n_dims)]


def project_umap(embeddings, n_dims):
    """Return the UMAP, as by `project`."""
    try:
        with warnings.catch_warnings():
            # it warns that it has no tensorflow, which this does not need
            warnings.simplefilter("ignore", ImportWarning)
            from umap import UMAP
    except ImportError as error:
        raise ImportError(
            "method='umap' needs umap-learn: pip install 'mne-funcmap[umap]'."
        ) from error
    n_neighbors = max(2, min(N_NEIGHBORS, len(embeddings) - 1))
    # of few points, the graph has too few eigenvectors to start from
    init = "spectral" if len(embeddings) > n_dims + 2 else "random"
    umap = UMAP(
        n_neighbors=n_neighbors,
        n_components=n_dims,
        init=init,
        random_state=0,
        n_jobs=1,  # with a seed, umap uses no more, and would warn
    )
    return umap.fit_transform(embeddings), [f"UMAP {i + 1}" for i in range(n_dims)]


METHODS = {"pca": project_pca, "tsne": project_tsne, "umap": project_umap}
