document.documentElement.dataset.fitted = "";
