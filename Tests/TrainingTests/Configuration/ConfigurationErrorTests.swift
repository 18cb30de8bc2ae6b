import Foundation
import Testing

@testable import Training

@Suite struct ConfigurationErrorTests {
  /// A document or an override that is refused, the key that the error must name, and words that it must contain.
  struct Case: Sendable, CustomTestStringConvertible {
    let text: String
    let key: String
    let words: [String]

    init(_ text: String, _ key: String, _ words: String...) {
      self.text = text
      self.key = key
      self.words = words
    }

    var testDescription: String { text.debugDescription }
  }

  private func expectError(_ expected: Case, isOverride: Bool = false) {
    let error = #expect(throws: ConfigurationError.self) {
      try Configuration.parse(
        isOverride ? "" : expected.text, source: "test.yaml", overrides: isOverride ? [expected.text] : [])
    }
    #expect(error?.exitCode == 64)
    #expect(error?.key == expected.key)
    let line = error?.description ?? ""
    #expect(!line.contains("\n"))
    // The type of an override's value is checked in the complete document.
    #expect(line.hasPrefix("test.yaml: ") || (isOverride && line.hasPrefix("--set ")))
    for word in expected.words { #expect(line.contains(word), "\(line)") }
  }

  @Test(arguments: [
    Case("trainning: {}", "trainning", "did you mean training?", "line 1"),
    Case("optimizer: {batchsize: 3}", "optimizer.batchsize", "did you mean optimizer.batch_size?"),
    Case("optimizer:\n  momentun: 0.5", "optimizer.momentun", "did you mean optimizer.momentum?", "line 2"),
    Case(
      "optimizer: {damping: {inital: 1}}", "optimizer.damping.inital", "did you mean optimizer.damping.initial?",
      "minimum, maximum"),
    Case(
      "optimizer: {solver: {max_iteration: 1}}", "optimizer.solver.max_iteration",
      "did you mean optimizer.solver.max_iterations?"),
    Case("data: {train: {feature: x}}", "data.train.feature", "did you mean data.train.features?"),
    Case("data: {class_weight: balanced}", "data.class_weight", "did you mean data.class_weights?"),
    Case("data: {train: {weight: w.npy}}", "data.train.weight", "did you mean data.train.weights?"),
    Case("training: {Epochs: 3}", "training.Epochs", "did you mean training.epochs?"),
    Case("training: {droplast: true}", "training.droplast", "did you mean training.drop_last?"),
    Case("3: 4", "3", "unknown key"),
  ])
  func `An unknown key is refused with the nearest one`(expected: Case) { expectError(expected) }

  @Test(arguments: [
    Case("lr: 0.1", "lr", "did you mean optimizer.learning_rate?", "allowed: data, model"),
    Case("optimizer: {lr: 0.1}", "optimizer.lr", "did you mean optimizer.learning_rate?"),
    Case("learning_rate: 0.1", "learning_rate", "did you mean optimizer.learning_rate?"),
    Case("training: {batch_size: 8}", "training.batch_size", "did you mean optimizer.batch_size?"),
    Case("training: {batchsize: 8}", "training.batchsize", "did you mean optimizer.batch_size?"),
    Case("training: {momentum: 0}", "training.momentum", "did you mean optimizer.momentum?"),
    Case("training: {momentun: 0}", "training.momentun", "did you mean optimizer.momentum?"),
    Case("optimizer: {wd: 0}", "optimizer.wd", "did you mean optimizer.weight_decay?"),
    Case("bs: 3", "bs", "did you mean optimizer.batch_size?"),
    Case("epochs: 3", "epochs", "did you mean training.epochs?"),
    Case("optimizer: {epochs: 3}", "optimizer.epochs", "did you mean training.epochs?"),
    Case("num_epochs: 3", "num_epochs", "did you mean training.epochs?"),
    Case("layers: []", "layers", "did you mean model.layers?"),
    Case("fit_intercept: false", "fit_intercept", "did you mean model.bias?"),
    Case(
      "optimizer: {kind: cg}", "optimizer.kind",
      "optimizer.schedule.kind, optimizer.solver.kind, optimizer.metric.kind, training.average.kind or "
        + "training.on_divergence.kind"),
    Case(
      "data: {features: x}", "data.features", "data.train.features, data.validation.features or data.test.features?"),
    Case("data: {val: {}}", "data.val", "did you mean data.validation?"),
    Case("training: {ema: 1}", "training.ema", "did you mean training.average?"),
    Case("training: {average: {start: 1}}", "training.average.start", "allowed: kind, from, decay"),
    Case("ema_decay: 0.9", "ema_decay", "did you mean training.average.decay?"),
    Case("training: {early_stopping: 3}", "training.early_stopping", "did you mean training.patience?"),
    Case("optimizer: {eps: 1}", "optimizer.eps", "optimizer.adam.epsilon or optimizer.metric.epsilon"),
    Case("optimizer: {adam: {eps: 1}}", "optimizer.adam.eps", "did you mean optimizer.adam.epsilon?"),
    Case("seed: 1", "seed", "did you mean training.seed?"),
    Case("normalize: none", "normalize", "did you mean data.normalize?"),
  ])
  func `A key of another section or another program is refused with the whole name of the one that is meant`(
    expected: Case
  ) { expectError(expected) }

  @Test func `A key like nothing here has no suggestion`() throws {
    let error = #expect(throws: ConfigurationError.self) {
      try Configuration.parse("gpu_count: 2", source: "test.yaml")
    }
    let line = error?.description ?? ""
    #expect(!line.contains("did you mean") && line.contains("; allowed: data, model, optimizer"))
  }

  @Test func `Every key that other programs have another name for is one`() throws {
    let keys = try KeyHints().paths.map { $0.joined(separator: ".") }
    for key in Set(KeyHints.aliases.values.joined()) { #expect(keys.contains(key), "\(key)") }
    for alias in KeyHints.aliases.keys { #expect(alias == alias.lowercased() && !alias.contains("_")) }
  }

  @Test(arguments: [
    ("training.epochs", "a whole number"), ("training.seed", "a whole number, not negative"),
    ("training.steps", "null or a whole number"), ("training.drop_last", "true or false"),
    ("training.peer_timeout", "a number"), ("training.precision", "one of float32, float64"),
    ("optimizer.learning_rate", "a number"), ("optimizer.damping.initial", "a number"),
    ("optimizer.batch_size", "'full'"), ("optimizer.method", "one of fgn, ggn, sgd, adam"),
    ("optimizer.schedule.warmup", "a whole number"), ("optimizer.metric.kind", "one of identity"),
    ("optimizer.adam.decoupled_weight_decay", "true or false"), ("data.classes", "null or a whole number"),
    ("data.train.label_column", "text"), ("data.train.format", "one of auto"), ("model.initialization", "text"),
    ("model.channels", "one of first, last"), ("logging.tensorboard", "true or false"),
  ])
  func `A section or a list where there is to be a single value is refused with the kind of the value`(
    key: String, kind: String
  ) {
    for (value, found) in [("{a: 1}", "a section"), ("[]", "a list")] {
      let error = #expect(throws: ConfigurationError.self) {
        try Configuration.parse("", source: "test.yaml", overrides: ["\(key)=\(value)"])
      }
      #expect(error?.key == key)
      let problem = error?.problem ?? ""
      #expect(problem.hasPrefix("\(found) is not allowed; ") && problem.hasSuffix(kind) || problem.contains(kind + ","))
    }
  }

  @Test(arguments: [
    Case("training: {epochs: ten}", "training.epochs", "'ten'", "a whole number"),
    Case("training: {epochs: 2.5}", "training.epochs", "'2.5'", "a whole number"),
    Case("training: {epochs: 99999999999999999999}", "training.epochs", "99999999999999999999"),
    Case("training: {epochs: [3]}", "training.epochs", "a list is not allowed"),
    Case("training: {epochs: {a: 3}}", "training.epochs", "a section is not allowed"),
    Case("training: {seed: -1}", "training.seed", "'-1'", "not negative"),
    Case("training: {drop_last: 7}", "training.drop_last", "true or false"),
    Case("training: {label_smoothing: some}", "training.label_smoothing", "'some'", "a number"),
    Case("training: {label_smoothing: -0.1}", "training.label_smoothing", "-0.1", "at least 0 and less than 1"),
    Case("training: {label_smoothing: 1}", "training.label_smoothing", "1.0", "at least 0 and less than 1"),
    Case("training: {label_smoothing: .nan}", "training.label_smoothing", "nan", "finite"),
    Case("training: {shuffle_block: 0}", "training.shuffle_block", "from 1 to 65536"),
    Case("training: {shuffle_window: 0}", "training.shuffle_window", "from 1 to 65536"),
    Case("training: {shuffle_block: 2, stratify: true}", "training.stratify", "false with training.shuffle_block"),
    Case("optimizer: {learning_rate: fast}", "optimizer.learning_rate", "'fast'", "a number"),
    Case("checkpoint: {every_minutes: often}", "checkpoint.every_minutes", "'often'", "0 or more minutes, or 'auto'"),
    Case("checkpoint: {every_minutes: -1}", "checkpoint.every_minutes", "'-1'", "0 or more minutes, or 'auto'"),
    Case("checkpoint: {every_minutes: .nan}", "checkpoint.every_minutes", "'.nan'", "it must be finite"),
    Case("checkpoint: {mirror: ''}", "checkpoint.mirror", "an empty path", "null, or the path of a folder"),
    Case("optimizer: {batch_size: 0}", "optimizer.batch_size", "'0'", "full"),
    Case("optimizer: {batch_size: -5}", "optimizer.batch_size", "'-5'", "full"),
    Case("optimizer: {batch_size: 2.5}", "optimizer.batch_size", "'2.5'", "full"),
    Case("optimizer: {batch_size: all}", "optimizer.batch_size", "'all'", "full"),
    Case("data: {class_weights: balance}", "data.class_weights", "'balance'", "null, balanced, or a list of numbers"),
    Case("data: {class_weights: 2}", "data.class_weights", "'2'", "balanced"),
    Case("data: {class_weights: [1, x]}", "data.class_weights", "a list is not allowed", "a list of numbers"),
    Case("data: {class_weights: {a: 1}}", "data.class_weights", "a section is not allowed", "balanced"),
    Case("data: {train: {weights: {a: 1}}}", "data.train.weights", "a path, or a list of paths"),
    Case("data: {train: {features: []}}", "data.train.features", "a path, or a list of paths"),
    Case("data: {train: {features: [~, a], labels: b}}", "data.train.features", "a list of paths without null"),
    Case("data: {train: {features: [a, ''], labels: b}}", "data.train.features", "an empty path"),
    Case("data: {train: {features: [a.csv, b.npy]}}", "data.train.features", "a.csv, b.npy", "of one format"),
    Case("model: {layers: 3}", "model.layers", "'3'", "a list"),
    Case("model: {layers: {linear: 3}}", "model.layers", "a section is not allowed", "a list"),
    Case("model: {input_shape: 64}", "model.input_shape", "'64'", "a list"),
    Case("model: {input_shape: [8, wide]}", "model.input_shape[1]", "'wide'", "a whole number"),
    Case("model: {initialization: [a]}", "model.initialization"),
    Case("optimizer: 3", "optimizer", "is a section", "batch_size"),
    Case("optimizer: [a]", "optimizer", "is a section"),
    Case("training: {average: [ema]}", "training.average", "is a section", "kind, from, decay"),
    Case("training: {average: {decay: slow}}", "training.average.decay", "'slow'", "a number"),
    Case("[a, b]", "", "is a section", "training"),
    Case("just words", "", "is a section"),
  ])
  func `A value of another type is refused with what the key takes`(expected: Case) { expectError(expected) }

  @Test(arguments: [
    Case("optimizer: {method: lbfgs}", "optimizer.method", "'lbfgs'", "fgn, ggn, sgd, adam"),
    Case("optimizer: {step_length: long}", "optimizer.step_length", "'long'", "unit, ggn, line-search"),
    Case("optimizer: {damping: {policy: lm}}", "optimizer.damping.policy", "'lm'", "constant, levenberg-marquardt"),
    Case("optimizer: {solver: {kind: lu}}", "optimizer.solver.kind", "'lu'", "auto, measured, cg"),
    Case("optimizer: {schedule: {kind: stair}}", "optimizer.schedule.kind", "'stair'", "constant, linear, cosine"),
    Case("training: {precision: float16}", "training.precision", "'float16'", "float32, float64"),
    Case("training: {precision: Float32}", "training.precision", "'Float32'"),
    Case("data: {normalize: yes}", "data.normalize", "'yes'", "auto, none, scale, standardize"),
    Case(
      "data: {train: {format: xls}}", "data.train.format", "'xls'", "auto, idx, npy, npz, safetensors, svmlight, csv"),
    Case("model: {bias: 0.5}", "model.bias", "'0.5'", "true or false"),
    Case("model: {channels: middle}", "model.channels", "'middle'", "first, last"),
    Case("training: {on_divergence: go}", "training.on_divergence.kind", "'go'", "stop, back-off"),
    Case("training: {average: mean}", "training.average.kind", "'mean'", "none, tail, ema"),
    Case("training: {average: {kind: swa}}", "training.average.kind", "'swa'", "none, tail, ema"),
    Case("optimizer: {schedule: stair}", "optimizer.schedule.kind", "'stair'", "constant, linear, cosine"),
    Case("logging: {progress: bar}", "logging.progress", "'bar'", "auto, live, plain, none"),
  ])
  func `An unknown word is refused with all that are known`(expected: Case) { expectError(expected) }

  @Test(arguments: [
    Case("training: {epochs: 0}", "training.epochs", "0 is impossible"),
    Case("training: {epochs: 9223372036854775807}", "training.epochs", "1000000000"),
    Case("training: {steps: 0}", "training.steps"), Case("training: {steps: -3}", "training.steps", "-3"),
    Case("training: {steps: 9223372036854775807}", "training.steps", "1000000000"),
    Case("training: {evaluate_every: -1}", "training.evaluate_every"),
    Case("training: {peer_timeout: 2.9}", "training.peer_timeout"),
    Case("training: {stall_timeout: -1}", "training.stall_timeout"),
    Case("training: {stall_timeout: .inf}", "training.stall_timeout"),
    Case("checkpoint: {every: -1}", "checkpoint.every"), Case("checkpoint: {keep: 0}", "checkpoint.keep"),
    Case("logging: {histograms_every: -1}", "logging.histograms_every", "0 or more"),
    Case("logging: {ranks_every: -5}", "logging.ranks_every", "0 or more"),
    Case("logging: {tensorboard: 3}", "logging.tensorboard", "true or false"),
    Case("logging: {every: 0}", "logging.every"), Case("data: {classes: 1}", "data.classes", "2"),
    Case("data: {classes: 200000000000}", "data.classes", "ten million"),
    Case("data: {train: {features: a}}", "data.train.labels"),
    Case("data: {train: {labels: a}}", "data.train.features"),
    Case("data: {test: {features: a}}", "data.test.labels"),
    Case("data: {test: {features: a, labels: b}}", "data.train.features"),
    Case("data: {validation: {features: a}}", "data.validation.labels"),
    Case("data: {validation: {fraction: 1}}", "data.validation.fraction", "between 0 and 1"),
    Case("data: {validation: {fraction: 0}}", "data.validation.fraction", "between 0 and 1"),
    Case("data: {validation: {fraction: .nan}}", "data.validation.fraction", "finite"),
    Case(
      "data: {train: {features: a, labels: b}, validation: {features: a, labels: b, fraction: 0.1}}",
      "data.validation.fraction", "leave out one"),
    Case("data: {validation: {fold: 2}}", "data.validation.fold", "NUMBER/COUNT, such as 2/5"),
    Case("data: {validation: {fold: 0/5}}", "data.validation.fold", "NUMBER/COUNT"),
    Case("data: {validation: {fold: 6/5}}", "data.validation.fold", "NUMBER/COUNT"),
    Case("data: {validation: {fold: 1/21}}", "data.validation.fold", "2 to 20 folds"),
    Case("data: {validation: {fold: 1/2, fraction: 0.1}}", "data.validation.fold", "leave out one"),
    Case("training: {keep: best}", "training.keep", "data.validation.features", "data.validation.fraction"),
    Case("training: {patience: 3}", "training.patience", "without a validation set"),
    Case("{training: {patience: 0}, data: {validation: {fraction: 0.1}}}", "training.patience", "from 1"),
    Case("training: {on_divergence: {limit: 0}}", "training.on_divergence.limit", "from 1 to 1000"),
    Case("training: {on_divergence: {limit: 1001}}", "training.on_divergence.limit", "from 1 to 1000"),
    Case("training: {average: {from: 1}}", "training.average.from", "at least 0 and less than 1"),
    Case("training: {average: {from: -0.1}}", "training.average.from"),
    Case("training: {average: {from: .nan}}", "training.average.from", "finite"),
    Case("training: {average: {kind: ema, decay: 1}}", "training.average.decay", "less than 1"),
    Case("training: {average: {decay: -1e-9}}", "training.average.decay", "at least 0"),
    Case("training: {evaluate_every_steps: 0}", "training.evaluate_every_steps", "from 1"),
    Case("optimizer: {learning_rate: 0}", "optimizer.learning_rate", "positive"),
    Case("optimizer: {method: sgd, nesterov: true, momentum: 0}", "optimizer.nesterov", "optimizer.momentum"),
    Case("optimizer: {method: adam, adam: {beta1: 1}}", "optimizer.adam.beta1", "less than 1"),
    Case("optimizer: {method: adam, adam: {beta2: -0.1}}", "optimizer.adam.beta2", "at least 0"),
    Case("optimizer: {method: adam, adam: {epsilon: 0}}", "optimizer.adam.epsilon", "positive"),
    Case("optimizer: {method: adam, adam: {epsilon: .inf}}", "optimizer.adam.epsilon", "positive"),
    Case("model: {initialization: ''}", "model.initialization"),
    Case("model: {layers: [{linear: 3}], initialization: zeros}", "model.initialization", "alike", "scaled"),
    Case("model: {layers: [{residual: [layer_norm]}], initialization: zeros}", "model.initialization"),
    Case("model: {input_shape: [64]}", "model.input_shape", "[64]", "two or three"),
    Case("model: {input_shape: [2, 2, 2, 2]}", "model.input_shape", "two or three"),
    Case("model: {input_shape: [8, 0]}", "model.input_shape", "[8, 0]"),
    Case("optimizer: {schedule: {warmup: -1}}", "optimizer.schedule.warmup"),
    Case("optimizer: {schedule: {warmup: 9223372036854775807}}", "optimizer.schedule.warmup"),
    Case("optimizer: {schedule: {final: 1.5}}", "optimizer.schedule.final"),
    Case("optimizer: {damping: {minimum: 2, maximum: 1}}", "optimizer.damping.maximum"),
    Case("optimizer: {damping: {factor: 1}}", "optimizer.damping.factor"),
    Case("optimizer: {damping: {interval: 0}}", "optimizer.damping.interval"),
    Case("optimizer: {method: ggn, damping: {policy: sweep}}", "optimizer.damping.policy", "ggn"),
    Case("optimizer: {solver: {kind: cg}, damping: {policy: sweep}}", "optimizer.damping.policy", "solver.kind cg"),
    Case("optimizer: {solver: {tolerance: 1}}", "optimizer.solver.tolerance"),
    Case("optimizer: {solver: {max_iterations: 0}}", "optimizer.solver.max_iterations"),
    Case("optimizer: {momentum: 1}", "optimizer.momentum"), Case("optimizer: {momentum: -0.1}", "optimizer.momentum"),
    Case("optimizer: {weight_decay: -1e-9}", "optimizer.weight_decay"),
  ])
  func `An impossible value is refused with what is possible`(expected: Case) { expectError(expected) }

  @Test(arguments: [
    "a: [1", "a: b: c", "\tx: 1", "training: {steps: 3, steps: 4}", "a: 1\n---\nb: 2", "x: &a [*a", "%",
  ])
  func `Text that is no YAML is refused on one line`(text: String) {
    expectError(Case(text, "", "is not valid YAML"))
  }

  @Test(arguments: [
    Case("training.epochs", "", "--set training.epochs", "KEY=VALUE"), Case("=3", "", "--set =3", "KEY=VALUE"),
    Case("", "", "KEY=VALUE"), Case("training.epoch=3", "training.epoch", "--set training.epoch=3", "epochs"),
    Case("training..epochs=3", "training.", "unknown key"), Case("training=3", "training", "is a section"),
    Case("training.epochs.x=3", "training.epochs"), Case("training.epochs=[", "", "--set training.epochs=[", "YAML"),
    Case("training.epochs=ten", "training.epochs", "'ten'"),
  ])
  func `An override that cannot be used is refused with its text`(expected: Case) {
    expectError(expected, isOverride: true)
  }
}
