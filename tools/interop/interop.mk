# Souk's files in PyTorch, Hugging Face, numpy, FAISS, h5py and TensorBoard, and theirs in Souk; see docs/interop.md.
.PHONY: interop interop-deps golden

interop: build/.deps-ok ## files to and from PyTorch, Hugging Face, FAISS, h5py, TensorBoard (in build/venv-interop)
	@$(MAKE) --no-print-directory all
	@tools/interop/run $(B)

interop-deps: ## what `make interop` takes from Debian: PyTorch (CPU), FAISS, h5py
	@tools/install_deps python3-venv python3-torch python3-faiss python3-h5py

golden: ## what PyTorch and Hugging Face's tokenizers compute, for tests/golden, anew
	@tools/interop/environment
	@build/venv-interop/bin/python tools/golden_bert.py tests/golden
	@build/venv-interop/bin/python tools/golden_words.py tests/golden
