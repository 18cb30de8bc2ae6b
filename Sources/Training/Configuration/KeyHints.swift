import Yams

/// What a person may have meant by a key that there is not: one of another section, one by another name, or nearly the same.
struct KeyHints {
  /// All keys with their sections.
  let paths: [[String]]

  /// Of the complete configuration.
  init() throws {
    paths = try Yams.compose(yaml: Configuration().yaml).map(Self.paths) ?? []
  }

  private static func paths(of tree: Node) -> [[String]] {
    guard case .mapping(let mapping) = tree else { return [] }
    return mapping.flatMap { key, value in
      [[key.string ?? ""]] + paths(of: value).map { [key.string ?? ""] + $0 }
    }
  }

  /// The keys with their sections, as a person would list them; nil if none is near.
  func meant(by path: [String]) -> String? {
    guard let name = path.last else { return nil }
    let section = Array(path.dropLast())
    let siblings = paths.filter { $0.count == path.count && $0.starts(with: section) }
    let word = Self.plain(name)
    // Misspelt in its place, by its name in another place, by another name, or misspelt in another place.
    if let near = siblings.first(where: { Self.plain($0.last!) == word }) { return Self.list([near]) }
    let elsewhere = paths.filter { Self.plain($0.last!) == word }
    if !elsewhere.isEmpty { return Self.list(elsewhere) }
    if let known = Self.aliases[word] {
      let own = known.filter { $0.split(separator: ".").map(String.init).starts(with: section) }
      return Self.list((own.isEmpty ? known : own).map { $0.split(separator: ".").map(String.init) })
    }
    if let near = nearest(to: name, among: siblings.map { $0.last! }), near.distance <= max(1, name.count / 2) {
      return Self.list([section + [near.word]])
    }
    guard let near = nearest(to: name, among: Set(paths.map { $0.last! }).sorted()), near.distance <= name.count / 3
    else {
      return nil
    }
    return Self.list(paths.filter { $0.last == near.word })
  }

  /// In small letters, without signs between words.
  private static func plain(_ name: String) -> String { name.lowercased().filter { $0 != "_" && $0 != "-" } }

  private static func list(_ paths: [[String]]) -> String {
    let names = paths.map { $0.joined(separator: ".") }
    return names.count == 1 ? names[0] : names.dropLast().joined(separator: ", ") + " or " + names.last!
  }

  /// What other programs call the keys here.
  static let aliases: [String: [String]] = {
    let names: [(keys: [String], aliases: [String])] = [
      (
        ["optimizer.learning_rate"],
        ["lr", "rate", "eta", "stepsize", "baselr", "initiallr", "maxlr", "learningrateinit"]
      ),
      (["optimizer.batch_size"], ["bs", "batch", "minibatch", "minibatchsize", "globalbatchsize", "trainbatchsize"]),
      (["optimizer.weight_decay"], ["wd", "l2", "l2reg", "regularization", "reg", "alpha", "penalty"]),
      (["optimizer.momentum"], ["mom", "momentumdecay"]),
      (["optimizer.adam"], ["adamw"]), (["optimizer.adam.beta1"], ["betas", "b1"]), (["optimizer.adam.beta2"], ["b2"]),
      (["optimizer.adam.epsilon", "optimizer.metric.epsilon"], ["eps"]),
      (["optimizer.method"], ["algorithm", "algo", "optim", "optimizertype", "optimizername", "opt", "name", "type"]),
      (["optimizer.damping.initial"], ["lambda", "λ", "damp", "lm"]),
      (["optimizer.solver.tolerance"], ["tol", "cgtol", "rtol"]),
      (["optimizer.solver.max_iterations"], ["maxiter", "maxiters", "cgiterations", "iters"]),
      (["optimizer.schedule"], ["scheduler", "lrschedule", "lrscheduler", "decayschedule"]),
      (["optimizer.schedule.warmup"], ["warmupsteps", "warmupiters"]),
      (["training"], ["trainer", "run"]),
      (["training.epochs"], ["epoch", "numepochs", "nepochs", "maxepochs", "numtrainepochs", "passes"]),
      (["training.steps"], ["numsteps", "maxsteps", "iterations", "trainsteps", "step"]),
      (["training.seed"], ["randomseed", "randomstate", "rngseed", "rng"]),
      (["training.precision"], ["dtype", "floattype"]),
      (["training.reproducible"], ["deterministic", "reproducibility"]),
      (["training.evaluate_every"], ["evalevery", "evalinterval", "validateevery"]),
      (["training.evaluate_every_steps"], ["evalsteps", "evaleverysteps", "valcheckinterval"]),
      (["data.normalize"], ["normalization", "normalise", "standardize", "standardise", "scaler", "scaling", "scale"]),
      (
        ["data.train.features", "data.test.features"],
        ["x", "inputs", "input", "images", "data", "file", "path", "files"]
      ),
      (["data.train.features"], ["xtrain", "trainx", "trainfeatures", "traindata", "trainfile"]),
      (["data.train.labels", "data.test.labels"], ["y", "targets", "target", "label"]),
      (["data.train.labels"], ["ytrain", "trainy", "trainlabels"]),
      (["data.test.features"], ["xtest", "testx", "testfeatures", "testdata", "testfile"]),
      (["data.test.labels"], ["ytest", "testy", "testlabels"]),
      (["data.test"], ["eval"]), (["data.validation"], ["val", "valid", "dev", "holdout"]),
      (["data.validation.features"], ["xval", "valx", "xvalid", "validx", "valfeatures", "valdata", "valfile"]),
      (["data.validation.labels"], ["yval", "valy", "yvalid", "validy", "vallabels"]),
      (
        ["data.validation.fraction"],
        ["validationfraction", "validationsplit", "valsplit", "valfraction", "valsize", "validationsize"]
      ),
      (["data.validation.fold"], ["cv", "folds", "kfold", "nfolds", "crossvalidation"]),
      (["training.keep"], ["savebest", "keepbest", "loadbestmodelatend", "restorebestweights"]),
      (["training.best_by"], ["monitor", "metricforbestmodel", "bestmetric"]),
      (
        ["training.average"],
        ["ema", "swa", "averaging", "modelaverage", "modelema", "weightaveraging", "polyak", "averagedmodel"]
      ),
      (["training.average.decay"], ["emadecay", "modelemadecay", "averagedecay"]),
      (["training.average.from"], ["swastart", "averagestart"]),
      (["training.patience"], ["earlystopping", "earlystoppingpatience", "niternochange"]),
      (["data.train.weights"], ["sampleweight", "sampleweights"]),
      (["data.classes"], ["numclasses", "nclasses", "numlabels", "outputs"]),
      (
        ["model.layers"],
        ["hidden", "hiddenlayers", "hiddensizes", "hiddenlayersizes", "architecture", "arch", "network"]
      ),
      (["model.bias"], ["usebias", "headbias", "intercept", "fitintercept"]),
      (["model.initialization"], ["init", "initialisation", "initializer", "pretrained", "weightsinit"]),
      (["model.input_shape"], ["imagesize", "imageshape", "shape"]),
      (["checkpoint.every"], ["saveevery", "saveinterval", "checkpointevery", "checkpointinterval", "savesteps"]),
      (["checkpoint.keep"], ["keepcheckpoints", "maxcheckpoints", "savetotallimit"]),
      (["checkpoint"], ["checkpoints", "checkpointing"]),
      (["logging.every"], ["logevery", "loginterval", "loggingsteps", "logsteps"]),
      (["logging"], ["log", "logger"]),
    ]
    return Dictionary(
      names.flatMap { keys, aliases in aliases.map { ($0, keys) } }, uniquingKeysWith: { one, _ in one })
  }()
}

/// The candidate with the fewest changed letters, and how many.
func nearest(to word: String, among candidates: [String]) -> (word: String, distance: Int)? {
  candidates.map { (word: $0, distance: editDistance(word, $0)) }.min { $0.distance < $1.distance }
}

/// Levenshtein's distance: insertions, deletions and replacements.
private func editDistance(_ one: String, _ other: String) -> Int {
  let other = Array(other)
  var row = Array(0...other.count)
  for (i, letter) in one.enumerated() {
    var diagonal = row[0]
    row[0] = i + 1
    for j in other.indices {
      let replaced = diagonal + (other[j] == letter ? 0 : 1)
      diagonal = row[j + 1]
      row[j + 1] = min(replaced, row[j] + 1, diagonal + 1)
    }
  }
  return row[other.count]
}
