import Testing

@testable import Training

@Suite struct UnreadSettingsTests {
  @Test(arguments: [
    ("method: adam, damping: {initial: 1}, momentum: 0.5", ["damping", "momentum"]),
    (
      "method: sgd, solver: {tolerance: 0.2}, step_length: ggn, adam: {beta1: 0.5}",
      ["solver", "step_length", "adam"]
    ),
    ("method: ggn, damping: {initial: 1}, solver: {tolerance: 0.2}, step_length: unit, momentum: 0.5", []),
    ("nesterov: true, adam: {epsilon: 1}", ["adam"]), ("method: adam, nesterov: true", ["nesterov"]),
    ("method: sgd, nesterov: true, momentum: 0.5", []),
    ("method: adam, adam: {beta1: 0.5}, weight_decay: 0.1", []),
    ("schedule: {kind: constant, final: 0.1}", ["schedule.final"]), ("schedule: {kind: cosine, final: 0.1}", []),
  ])
  func `Settings that a run does not read are known by their keys`(settings: String, keys: [String]) throws {
    let configuration = try Configuration.parse("optimizer: {\(settings)}", source: "")
    #expect(configuration.optimizer.unreadSettings == keys.map { "optimizer.\($0)" })
  }

  @Test(arguments: [
    ("method: sgd", ["momentum", "weight_decay", "learning_rate"], ["solver.kind", "damping.initial", "metric.kind"]),
    ("method: adam", ["adam.beta1"], ["momentum", "nesterov", "step_length", "metric.kind", "damping.policy"]),
    ("method: ggn", ["damping.factor", "solver.tolerance"], ["solver.gram_tolerance", "solver.kind", "metric.kind"]),
    ("metric: {kind: identity}", ["metric.kind", "momentum"], ["metric.epsilon", "metric.interval", "decay_biases"]),
    ("metric: {kind: inputs}, weight_decay: 1", ["metric.epsilon", "metric.decay", "decay_biases"], ["adam.beta2"]),
    ("damping: {policy: constant}", ["damping.policy", "damping.initial"], ["damping.minimum", "damping.interval"]),
    ("damping: {policy: sweep}", ["damping.maximum", "damping.interval"], ["damping.factor"]),
    ("solver: {kind: cg}", ["solver.tolerance", "solver.kind"], ["solver.gram_tolerance"]),
  ])
  func `What is read depends on method, policy and kinds`(settings: String, read: [String], unread: [String]) throws {
    let optimizer = try Configuration.parse("optimizer: {\(settings)}", source: "").optimizer
    for key in read { #expect(optimizer.reads("optimizer.\(key)"), "\(key)") }
    for key in unread { #expect(!optimizer.reads("optimizer.\(key)"), "\(key)") }
  }
}
