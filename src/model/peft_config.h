// Section "peft" of a run's configuration: parameter-efficient tuning of a model that is there already (train.init).
//
//   lora     W x becomes W x + s B A dropout(x), A [r,in], B [out,r], s = alpha / r (Hu et al.: LoRA, 2021; rslora: alpha / sqrt(r),
//            Kalajdzievski, 2023); and the word table E becomes E + s A B for all who read it (table_tuning.h)
//   adalora  W x + s B diag(e) A dropout(x), with A's rows and B's columns kept near orthogonal, and a budget of ranks that falls
//            while training: the least important are cut (Zhang et al.: Adaptive budget allocation, 2023); and E + s A diag(e) B
//   adapter  behind the attention's projection and behind the feed-forward part: x + U gelu(D x + d) + u, D [width,H] (Houlsby et
//            al.: Parameter-efficient transfer learning, 2019)
//   bias     every bias of the model, those of its heads too (what peft calls bias "all"; Ben Zaken et al.: BitFit, 2021)
//
// What is not tuned is frozen. Heads that the base was not trained for are trained whole.
#ifndef SOUK_MODEL_PEFT_CONFIG_H
#define SOUK_MODEL_PEFT_CONFIG_H

#include "base/options.h"
#include "base/record.h"

typedef enum peft_kind { PEFT_NONE, PEFT_LORA, PEFT_ADAPTER, PEFT_BIAS, PEFT_ADALORA } peft_kind;

typedef struct peft_config {
  int kind;                       // peft_kind
  int64_t rank;                   // adalora: the mean that the budget falls to
  double alpha;                   // 0: the rank at the beginning, so that s = 1 (without rslora)
  bool rslora;                    // lora only
  double lora_dropout;            // of the input of A
  char targets[OPTION_STRING];    // names of linear layers and of the word table, see peft_targets
  char train_also[OPTION_STRING]; // patterns of parameters that are trained beside, as in train.freeze
  int64_t adapter_width;
  // adalora: ranks at the beginning; the budget stays until step tinit, and is final tfinal steps before total_steps (0: the
  // run's); ranks are cut every deltat steps; decays of importance and of its uncertainty; weight of the orthogonality.
  int64_t init_rank, tinit, tfinal, deltat, total_steps;
  double importance_beta, uncertainty_beta, orthogonality;
} peft_config;

extern const option peft_options[];
extern const size_t n_peft_options;

// ERR_ARGUMENT: options that cannot be together.
status peft_check(const peft_config *c);
// Ranks of an adapter as it begins.
int64_t peft_rank(const peft_config *c);
// s, where an adapter has `rank` (lora: may be that of an imported one).
double peft_scale(const peft_config *c);
// Does peft.targets name this linear layer ("bert.encoder.layer.0.attention.self.query")? The list is of shell patterns; one
// without a wildcard names a layer by its whole name or by what it ends with behind a dot, as in Hugging Face's peft.
bool peft_targets(const peft_config *c, const char *module);
// Does lora or adalora tune the word table, "bert.embeddings.word_embeddings"? Only if a name's last part is word_embeddings: * and bert.* mean
// linear layers, as they did before the table could be tuned.
bool peft_targets_table(const peft_config *c);
extern const char peft_table_module[];
// Field "peft" of a checkpoint's model; NULL: there is none (kind none, or no memory).
json_t *peft_to_json(const peft_config *c);
status peft_from_json(peft_config *c, const json_t *j, const record_source *from); // j NULL: kind none
bool peft_same(const peft_config *a, const peft_config *b); // all options, but for the dropout

#endif
