# Souk beside other programs that do the same work, in turns in one run; see SPEED.md.
.PHONY: bench-peers

bench-peers: build/.deps-ok ## beside other programs (in build/venv-peers): ONLY=prepare|titles|train|words|embed|copy|recbole, TURNS=N, BAR=1 (an error if a bar is missed)
	@$(MAKE) --no-print-directory all
	@tools/peers/run $(B)
