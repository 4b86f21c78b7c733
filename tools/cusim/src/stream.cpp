// Streams, events, capture and graphs.
//
// A stream is a queue. Eager streams run an operation as it comes. Lazy ones run nothing until the host waits for
// it, and then only what that wait needs: if an event is missing, the consumer runs before its producer and the
// result is wrong, every time. Random ones run a few operations of some stream now and then.
//
// For the race build every operation has a vector clock, which says what is over when it begins: by the stream's
// order, by events, by what the host has waited for. Two operations that touch the same memory must be ordered.
#include "cusim.h"
#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <stdio.h>
#include <time.h>

namespace cusim {

struct op_state { // outlives its queue entry: events and waits hold it
  CUstream_st *stream;
  bool done = false;
  double seconds = 0;
  vector_clock clock;
};
typedef std::shared_ptr<op_state> op_ref;
struct queued {
  work what;
  std::vector<op_ref> waits;
  op_ref state;
  unsigned number;
};
struct graph_node {
  work what;
  std::vector<size_t> needs;
  unsigned lane; // which of the captured streams, in the order in which they joined
};
struct capture {
  CUgraph_st *graph;
  CUstream_st *origin;
  std::vector<CUstream_st *> streams;
  cudaStreamCaptureMode mode;
  bool invalid = false, ended = false;
};
typedef std::shared_ptr<capture> capture_ref;

} // namespace cusim
using namespace cusim;

struct CUstream_st {
  std::deque<queued> queue;
  bool blocking = true; // with the legacy stream
  op_ref tail;
  unsigned index = 0;
  uint32_t sequence = 0;
  vector_clock clock; // of the latest operation
  capture_ref capturing;
  std::vector<size_t> needs; // nodes that the next captured operation comes after
  unsigned lane = 0;
  const void *caller = nullptr;
};
struct CUevent_st {
  op_ref at;
  capture_ref recorded_in;
  std::vector<size_t> nodes;
  bool timing = true;
  const void *caller = nullptr;
};
struct CUgraph_st {
  std::vector<graph_node> nodes;
  unsigned lanes = 0;
  const void *caller = nullptr;
};
struct CUgraphExec_st {
  std::shared_ptr<const CUgraph_st> graph;
  std::vector<unsigned> indices;   // of each lane among the vector clocks
  std::vector<uint32_t> sequences; // of each lane
  const void *caller = nullptr;
};

namespace cusim {

unsigned current_op;
static const vector_clock *current_clock;
static vector_clock host_clock;
static unsigned indices_given = 1; // 0 is the legacy stream
struct op_info {
  unsigned index;
  uint32_t sequence;
  const char *what;
};
static std::vector<op_info> ops(1); // by number; only the race build fills it
static CUstream_st *legacy() {
  static CUstream_st *const s = new CUstream_st;
  return s;
}
static std::vector<CUstream_st *> &streams() { // in the order of creation
  static std::vector<CUstream_st *> *const list = new std::vector<CUstream_st *>{legacy()};
  return *list;
}
static std::set<CUevent_st *> events;
static std::set<CUgraph_st *> graphs;
static std::set<CUgraphExec_st *> execs;
static std::vector<capture_ref> captures; // under way
static uint64_t stream_chance;

static double now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}
static uint64_t chance() {
  if (!stream_chance) stream_chance = config().seed * 0x9e3779b97f4a7c15ull + 1;
  return random_next(stream_chance) >> 32;
}
static void join(vector_clock &into, const vector_clock &other) {
  if (into.size() < other.size()) into.resize(other.size());
  for (size_t i = 0; i < other.size(); i++) into[i] = std::max(into[i], other[i]);
}
static void tick(vector_clock &clock, unsigned index, uint32_t sequence) {
  if (clock.size() <= index) clock.resize(index + 1);
  clock[index] = sequence;
}
static unsigned op_number(unsigned index, uint32_t sequence, const char *what) {
  if (!race) return 0;
  ops.push_back({index, sequence, what});
  return static_cast<unsigned>(ops.size() - 1);
}
bool op_before_current(unsigned op) {
  if (op == current_op) return true;
  const op_info &o = ops[op];
  return current_clock && o.index < current_clock->size() && (*current_clock)[o.index] >= o.sequence;
}
std::string op_describe(unsigned op) {
  return launch_text_name(ops[op].what) + " (stream " + std::to_string(ops[op].index) + ")";
}

static bool valid(cudaStream_t s) {
  return !s || s == cudaStreamLegacy || std::find(streams().begin(), streams().end(), s) != streams().end();
}
static CUstream_st *stream_of(cudaStream_t s) {
  return s && s != cudaStreamLegacy ? s : legacy();
}

// ---- running -----------------------------------------------------------------------------------------------------
static void work_run(const work &w, unsigned number, const vector_clock *clock) {
  if (!w.run || sticky_error() != cudaSuccess) return;
  const device_access access;
  current_op = number;
  current_clock = clock;
  w.run();
}
static void front_run(CUstream_st *s) {
  const queued op = std::move(s->queue.front());
  s->queue.pop_front();
  for (const op_ref &w : op.waits)
    while (!w->done) front_run(w->stream);
  work_run(op.what, op.number, &op.state->clock);
  op.state->seconds = now();
  op.state->done = true;
}
static void drain(CUstream_st *s) {
  while (!s->queue.empty()) front_run(s);
}
void device_drain() { // lazy streams go in either order, by the seed
  const std::vector<CUstream_st *> list = streams();
  const bool newest_first = config().seed & 1;
  for (size_t i = 0; i < list.size(); i++) drain(list[newest_first ? list.size() - 1 - i : i]);
}
void host_joins_device() {
  for (CUstream_st *s : streams()) join(host_clock, s->clock);
}

static op_ref push(CUstream_st *s, std::function<void()> run, const char *what, std::vector<op_ref> waits) {
  if (s == legacy()) {
    for (CUstream_st *other : streams())
      if (other != s && other->blocking && other->tail) waits.push_back(other->tail);
  } else if (s->blocking && legacy()->tail) {
    waits.push_back(legacy()->tail);
  }
  queued op = {{std::move(run), what}, std::move(waits), std::make_shared<op_state>(), 0};
  op.state->stream = s;
  if (race) {
    join(s->clock, host_clock);
    for (const op_ref &w : op.waits) join(s->clock, w->clock);
    tick(s->clock, s->index, ++s->sequence);
    op.state->clock = s->clock;
    op.number = op_number(s->index, s->sequence, what);
  }
  s->tail = op.state;
  const op_ref state = op.state;
  s->queue.push_back(std::move(op));
  if (config().streams == STREAMS_EAGER) drain(s);
  if (config().streams == STREAMS_RANDOM) {
    CUstream_st *some = streams()[chance() % streams().size()];
    for (uint64_t n = chance() % 4; n && !some->queue.empty(); n--) front_run(some);
  }
  return state;
}

// ---- capture -----------------------------------------------------------------------------------------------------
static cudaError_t invalidate(api &a, const capture_ref &c, cudaError_t e, const char *why) {
  c->invalid = true;
  return a.fail(e, "%s; the capture is lost", why);
}
bool capture_forbids(api &a) {
  for (const capture_ref &c : captures)
    if (c->mode != cudaStreamCaptureModeRelaxed) {
      invalidate(a, c, cudaErrorStreamCaptureUnsupported, "not allowed while a stream is captured");
      return true;
    }
  return false;
}
// The legacy stream would have to wait for a stream that is being captured.
bool legacy_stream_capture_conflict(cudaStream_t s) {
  bool conflict = false;
  if (stream_of(s) == legacy())
    for (const capture_ref &c : captures)
      for (CUstream_st *captured : c->streams)
        if (captured->blocking) c->invalid = conflict = true;
  return conflict;
}
static void capture_join(CUstream_st *s, const capture_ref &c, std::vector<size_t> needs) {
  s->capturing = c;
  s->needs = std::move(needs);
  s->lane = c->graph->lanes++;
  c->streams.push_back(s);
}
cudaError_t stream_submit(api &a, cudaStream_t stream, std::function<void()> run, const char *what) {
  if (!valid(stream)) return a.fail(cudaErrorInvalidResourceHandle, "the stream does not exist (any more)");
  CUstream_st *s = stream_of(stream);
  if (s->capturing) {
    if (s->capturing->invalid)
      return a.fail(cudaErrorStreamCaptureInvalidated, "the capture was lost by an earlier call");
    std::vector<graph_node> &nodes = s->capturing->graph->nodes;
    nodes.push_back({{std::move(run), what}, s->needs, s->lane});
    s->needs = {nodes.size() - 1};
    return a.ok();
  }
  if (legacy_stream_capture_conflict(stream))
    return a.fail(cudaErrorStreamCaptureImplicit,
                  "the legacy stream cannot be used during a capture; the capture is lost");
  push(s, std::move(run), what, {});
  return a.ok();
}

// ---- graphs ------------------------------------------------------------------------------------------------------
// Which of the nodes that could run comes next. Eager: as captured. Otherwise side streams as early as possible
// (odd seed) or as late as possible (even seed), or anything.
static size_t node_pick(const std::vector<graph_node> &nodes, const std::vector<size_t> &ready) {
  if (config().streams == STREAMS_RANDOM) return chance() % ready.size();
  const bool lazy = config().streams == STREAMS_LAZY, sides_first = config().seed & 1;
  auto before = [&](size_t a, size_t b) {
    if (lazy && nodes[a].lane != nodes[b].lane) return (nodes[a].lane > nodes[b].lane) == sides_first;
    return a < b;
  };
  return static_cast<size_t>(std::min_element(ready.begin(), ready.end(), before) - ready.begin());
}
struct node_time { // of one replay, for the race build
  unsigned number;
  vector_clock clock;
};
static void graph_run(const CUgraph_st &g, const std::vector<node_time> &times) {
  std::vector<size_t> missing(g.nodes.size()), ready;
  std::vector<std::vector<size_t>> feeds(g.nodes.size());
  for (size_t i = 0; i < g.nodes.size(); i++) {
    missing[i] = g.nodes[i].needs.size();
    for (size_t n : g.nodes[i].needs) feeds[n].push_back(i);
    if (!missing[i]) ready.push_back(i);
  }
  while (!ready.empty()) {
    const size_t at = node_pick(g.nodes, ready), i = ready[at];
    ready.erase(ready.begin() + static_cast<long>(at));
    work_run(g.nodes[i].what, times.empty() ? 0 : times[i].number, times.empty() ? nullptr : &times[i].clock);
    for (size_t next : feeds[i])
      if (--missing[next] == 0) ready.push_back(next);
  }
}
// The clocks of a replay's nodes, known when it is launched; `s` then comes after all of them.
static std::vector<node_time> graph_clocks(CUgraphExec_st *x, CUstream_st *s) {
  std::vector<node_time> times;
  if (!race) return times;
  join(s->clock, host_clock);
  const vector_clock start = s->clock;
  for (const graph_node &n : x->graph->nodes) {
    node_time t = {0, start};
    for (size_t need : n.needs) join(t.clock, times[need].clock);
    const uint32_t sequence = ++x->sequences[n.lane];
    tick(t.clock, x->indices[n.lane], sequence);
    t.number = op_number(x->indices[n.lane], sequence, n.what.what);
    times.push_back(std::move(t));
  }
  for (const node_time &t : times) join(s->clock, t.clock);
  return times;
}

void stream_leaks(std::string &list, int &count) {
  auto add = [&](const char *what, const void *caller) {
    if (count++ < 8) list += std::string("\n    ") + what + " from " + place(caller);
  };
  for (CUstream_st *s : streams())
    if (s != legacy()) add("a stream", s->caller);
  for (CUevent_st *e : events) add("an event", e->caller);
  for (CUgraph_st *g : graphs) add("a graph", g->caller);
  for (CUgraphExec_st *x : execs) add("an executable graph", x->caller);
}

} // namespace cusim

// ---- the interface: streams --------------------------------------------------------------------------------------
cudaError_t cudaStreamCreateWithPriority(cudaStream_t *out, unsigned int flags, int) {
  CUSIM_API(API_WORK);
  *out = new CUstream_st;
  (*out)->blocking = !(flags & cudaStreamNonBlocking);
  (*out)->index = indices_given++;
  (*out)->caller = api.caller;
  streams().push_back(*out);
  return api.ok();
}
// Reports name the place where a stream was made: the caller of these two, not this file.
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned int flags) {
  CUSIM_API(API_WORK);
  const cudaError_t e = cudaStreamCreateWithPriority(out, flags, 0);
  (*out)->caller = api.caller;
  return e;
}
cudaError_t cudaStreamCreate(cudaStream_t *out) {
  CUSIM_API(API_WORK);
  const cudaError_t e = cudaStreamCreateWithPriority(out, cudaStreamDefault, 0);
  (*out)->caller = api.caller;
  return e;
}
cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest) {
  CUSIM_API(API_QUIET);
  *least = 0;
  *greatest = -5;
  return api.ok();
}
cudaError_t cudaStreamDestroy(cudaStream_t s) {
  CUSIM_API(API_CLEANUP);
  if (!s || s == cudaStreamLegacy || !valid(s))
    return api.fail(cudaErrorInvalidResourceHandle, "the stream does not exist (any more)");
  if (s->capturing) return api.fail(cudaErrorStreamCaptureUnsupported, "the stream is being captured");
  drain(s);
  streams().erase(std::find(streams().begin(), streams().end(), s));
  // Events still hold states of this stream, all of them done; its pointer is not followed any more.
  delete s;
  return api.ok();
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  CUSIM_API(API_CLEANUP);
  if (!valid(stream)) return api.fail(cudaErrorInvalidResourceHandle, "the stream does not exist (any more)");
  CUstream_st *s = stream_of(stream);
  if (s->capturing)
    return invalidate(api, s->capturing, cudaErrorStreamCaptureUnsupported,
                      "a captured stream cannot be waited for");
  drain(s);
  join(host_clock, s->clock);
  return api.ok();
}
cudaError_t cudaStreamQuery(cudaStream_t stream) { // runs one operation, or a loop that asks would never end
  CUSIM_API(API_QUIET);
  if (!valid(stream)) return api.fail(cudaErrorInvalidResourceHandle, "the stream does not exist (any more)");
  CUstream_st *s = stream_of(stream);
  if (s->capturing)
    return invalidate(api, s->capturing, cudaErrorStreamCaptureUnsupported,
                      "a captured stream cannot be asked");
  if (cudaError_t e = api.ok()) return e;
  if (!s->queue.empty()) {
    front_run(s);
    return cudaErrorNotReady;
  }
  join(host_clock, s->clock);
  return cudaSuccess;
}
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t fn, void *data) {
  CUSIM_API(API_WORK);
  auto run = [=] {
    host_function_runs = true;
    fn(data);
    host_function_runs = false;
  };
  return stream_submit(api, stream, run, "cudaLaunchHostFunc");
}

// ---- events ------------------------------------------------------------------------------------------------------
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *out, unsigned int flags) {
  CUSIM_API(API_WORK);
  *out = new CUevent_st;
  (*out)->timing = !(flags & cudaEventDisableTiming);
  (*out)->caller = api.caller;
  events.insert(*out);
  return api.ok();
}
cudaError_t cudaEventCreate(cudaEvent_t *out) {
  CUSIM_API(API_WORK);
  const cudaError_t e = cudaEventCreateWithFlags(out, cudaEventDefault);
  (*out)->caller = api.caller;
  return e;
}
cudaError_t cudaEventDestroy(cudaEvent_t e) {
  CUSIM_API(API_CLEANUP);
  if (!events.erase(e))
    return api.fail(cudaErrorInvalidResourceHandle, "the event does not exist (any more)");
  delete e;
  return api.ok();
}
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t stream) {
  CUSIM_API(API_WORK);
  if (!events.count(e) || !valid(stream))
    return api.fail(cudaErrorInvalidResourceHandle, "the event or the stream does not exist (any more)");
  CUstream_st *s = stream_of(stream);
  e->recorded_in = s->capturing;
  if (s->capturing) {
    e->nodes = s->needs;
    return api.ok();
  }
  if (legacy_stream_capture_conflict(stream))
    return api.fail(cudaErrorStreamCaptureImplicit,
                    "the legacy stream cannot be used during a capture; the capture is lost");
  e->at = push(s, nullptr, "cudaEventRecord", {});
  return api.ok();
}
static cudaError_t event_check(api &api, cudaEvent_t e) {
  if (!events.count(e))
    return api.fail(cudaErrorInvalidResourceHandle, "the event does not exist (any more)");
  if (e->recorded_in) return api.fail(cudaErrorCapturedEvent, "the event was last recorded in a capture");
  return api.ok();
}
cudaError_t cudaEventSynchronize(cudaEvent_t e) {
  CUSIM_API(API_CLEANUP);
  if (cudaError_t bad = event_check(api, e)) return bad;
  if (!e->at) return api.ok();
  while (!e->at->done) front_run(e->at->stream);
  join(host_clock, e->at->clock);
  return api.ok();
}
cudaError_t cudaEventQuery(cudaEvent_t e) {
  CUSIM_API(API_QUIET);
  if (cudaError_t bad = event_check(api, e)) return bad;
  if (e->at && !e->at->done) {
    front_run(e->at->stream);
    return cudaErrorNotReady;
  }
  if (e->at) join(host_clock, e->at->clock);
  return cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t a, cudaEvent_t b) {
  CUSIM_API(API_QUIET);
  for (cudaEvent_t e : {a, b}) {
    if (cudaError_t bad = event_check(api, e)) return bad;
    if (!e->timing || !e->at)
      return api.fail(cudaErrorInvalidResourceHandle, "an event without timing, or never recorded");
    if (!e->at->done) return cudaErrorNotReady;
  }
  *ms = static_cast<float>((b->at->seconds - a->at->seconds) * 1e3);
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t e, unsigned int) {
  CUSIM_API(API_WORK);
  if (!events.count(e) || !valid(stream))
    return api.fail(cudaErrorInvalidResourceHandle, "the event or the stream does not exist (any more)");
  CUstream_st *s = stream_of(stream);
  if (const capture_ref c = e->recorded_in) {
    if (c->ended)
      return api.fail(cudaErrorCapturedEvent, "the event was last recorded in a capture that has ended");
    if (s == legacy())
      return invalidate(api, c, cudaErrorStreamCaptureImplicit, "the legacy stream cannot join a capture");
    if (!s->capturing) {
      capture_join(s, c, e->nodes); // the fork
    } else if (s->capturing != c) {
      return invalidate(api, c, cudaErrorStreamCaptureMerge, "two captures would become one");
    } else {
      for (size_t n : e->nodes)
        if (std::find(s->needs.begin(), s->needs.end(), n) == s->needs.end()) s->needs.push_back(n);
    }
    return api.ok();
  }
  if (s->capturing)
    return invalidate(api, s->capturing, cudaErrorStreamCaptureIsolation,
                      "a captured stream waits for an event from outside the capture");
  if (e->at) push(s, nullptr, "cudaStreamWaitEvent", {e->at});
  return api.ok();
}

// ---- capture and graphs ------------------------------------------------------------------------------------------
cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode mode) {
  CUSIM_API(API_WORK);
  if (!valid(s)) return api.fail(cudaErrorInvalidResourceHandle, "the stream does not exist (any more)");
  if (stream_of(s) == legacy())
    return api.fail(cudaErrorStreamCaptureUnsupported, "the legacy stream cannot be captured");
  if (s->capturing) return api.fail(cudaErrorIllegalState, "the stream is being captured already");
  const capture_ref c = std::make_shared<capture>();
  c->graph = new CUgraph_st;
  c->graph->caller = api.caller;
  c->origin = s;
  c->mode = mode;
  captures.push_back(c);
  capture_join(s, c, {});
  return api.ok();
}
// Whoever ends a capture must have made its first stream wait for all others: the last node must come after every other.
static bool all_joined(const CUgraph_st &g, const std::vector<size_t> &ends) {
  std::vector<bool> reached(g.nodes.size());
  for (size_t n : ends) reached[n] = true;
  for (size_t i = g.nodes.size(); i-- > 0;)
    if (reached[i])
      for (size_t n : g.nodes[i].needs) reached[n] = true;
  return std::find(reached.begin(), reached.end(), false) == reached.end();
}
cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *out) {
  CUSIM_API(API_CLEANUP);
  *out = nullptr;
  if (!valid(s) || !stream_of(s)->capturing)
    return api.fail(cudaErrorIllegalState, "the stream is not being captured");
  const capture_ref c = s->capturing;
  if (c->origin != s)
    return invalidate(api, c, cudaErrorStreamCaptureUnmatched, "the capture began in another stream");
  const bool joined = all_joined(*c->graph, s->needs);
  for (CUstream_st *captured : c->streams) {
    captured->capturing = nullptr;
    captured->needs.clear();
  }
  c->ended = true;
  captures.erase(std::find(captures.begin(), captures.end(), c));
  if (c->invalid || !joined) {
    delete c->graph;
    return c->invalid ? api.fail(cudaErrorStreamCaptureInvalidated, "the capture was lost by an earlier call")
                      : api.fail(cudaErrorStreamCaptureUnjoined,
                                 "another stream joined the capture and its work is not waited for");
  }
  graphs.insert(c->graph);
  *out = c->graph;
  return api.ok();
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus *status) {
  CUSIM_API(API_QUIET);
  if (!valid(stream)) return api.fail(cudaErrorInvalidResourceHandle, "the stream does not exist (any more)");
  const capture_ref c = stream_of(stream)->capturing;
  *status = !c           ? cudaStreamCaptureStatusNone
            : c->invalid ? cudaStreamCaptureStatusInvalidated
                         : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}
static cudaError_t instantiate(api &api, cudaGraphExec_t *out, cudaGraph_t g) {
  *out = nullptr;
  if (!graphs.count(g)) return api.fail(cudaErrorInvalidValue, "the graph does not exist (any more)");
  CUgraphExec_st *x = new CUgraphExec_st;
  x->graph = std::make_shared<CUgraph_st>(*g);
  for (unsigned i = 0; i < g->lanes; i++) x->indices.push_back(indices_given++);
  x->sequences.resize(g->lanes);
  x->caller = api.caller;
  execs.insert(x);
  *out = x;
  return api.ok();
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *out, cudaGraph_t g, unsigned long long) {
  CUSIM_API(API_WORK);
  return instantiate(api, out, g);
}
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t *out, cudaGraph_t g, unsigned long long) {
  CUSIM_API(API_WORK);
  return instantiate(api, out, g);
}
cudaError_t cudaGraphUpload(cudaGraphExec_t x, cudaStream_t stream) {
  CUSIM_API(API_WORK);
  if (!execs.count(x) || !valid(stream))
    return api.fail(cudaErrorInvalidValue, "the graph or the stream does not exist (any more)");
  return api.ok();
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t x, cudaStream_t stream) {
  CUSIM_API(API_WORK);
  if (cudaError_t e = api.ok()) return e;
  if (!execs.count(x)) return api.fail(cudaErrorInvalidValue, "the graph does not exist (any more)");
  if (!valid(stream)) return api.fail(cudaErrorInvalidResourceHandle, "the stream does not exist (any more)");
  CUstream_st *s = stream_of(stream);
  if (s->capturing)
    return invalidate(api, s->capturing, cudaErrorNotSupported, "graphs inside graphs are not emulated");
  const std::shared_ptr<const CUgraph_st> graph = x->graph;
  push(s, nullptr, "cudaGraphLaunch",
       {}); // an empty operation, which puts what the legacy stream must wait for into the clock
  auto times = std::make_shared<std::vector<node_time>>(graph_clocks(x, s));
  push(s, [=] { graph_run(*graph, *times); }, "cudaGraphLaunch", {});
  return api.ok();
}
cudaError_t cudaGraphGetNodes(cudaGraph_t g, cudaGraphNode_t *nodes, size_t *count) {
  CUSIM_API(API_QUIET);
  if (!graphs.count(g)) return api.fail(cudaErrorInvalidValue, "the graph does not exist (any more)");
  if (nodes)
    for (size_t i = 0; i < *count; i++)
      nodes[i] = i < g->nodes.size() ? reinterpret_cast<cudaGraphNode_t>(&g->nodes[i]) : nullptr;
  *count = g->nodes.size();
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t g) {
  CUSIM_API(API_CLEANUP);
  if (!graphs.erase(g)) return api.fail(cudaErrorInvalidValue, "the graph does not exist (any more)");
  delete g;
  return api.ok();
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t x) {
  CUSIM_API(API_CLEANUP);
  if (!execs.erase(x)) return api.fail(cudaErrorInvalidValue, "the graph does not exist (any more)");
  delete x;
  return api.ok();
}
