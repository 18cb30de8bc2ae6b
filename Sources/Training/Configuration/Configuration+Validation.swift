extension Configuration {
  /// Throws a `ConfigurationError` for the first impossible value.
  func validate(source: String) throws {
    func require(_ condition: Bool, _ key: String, _ value: some Any, _ allowed: String) throws {
      if !condition {
        let isFinite = (value as? Double)?.isFinite ?? true
        throw ConfigurationError(
          source: source, key: key, "\(value) is impossible; it must be \(isFinite ? "" : "finite, and ")\(allowed)")
      }
    }

    // More than any run takes, and little enough that products with it are numbers.
    let manyTimes = 1_000_000_000

    let validation = data.validation.source
    for (name, set) in [("train", data.train), ("validation", validation), ("test", data.test)] {
      for (key, files) in [("features", set.features), ("labels", set.labels), ("weights", set.weights)] {
        guard let files else { continue }
        try require(
          !files.entries.contains(""), "data.\(name).\(key)", "an empty path",
          "null, a path, or a list of paths or patterns")
      }
      if let features = set.features {
        try require(
          set.format.isOne(of: features), "data.\(name).features", features,
          "of one format, as the names of these are not")
      }
      if let text = set.text {
        try require(
          set.labels == nil, "data.\(name).labels", set.labels?.description ?? "",
          "null, for a file of format \(text.rawValue) has its labels within it")
        continue
      }
      if (set.features == nil) == (set.labels == nil) { continue }
      let (missing, given) = set.features == nil ? ("features", "labels") : ("labels", "features")
      try require(false, "data.\(name).\(missing)", "null", "given, since data.\(name).\(given) is")
    }
    for (name, set) in [("validation", validation), ("test", data.test)] {
      try require(
        data.train.features != nil || set.features == nil, "data.train.features", "null",
        "given, since data.\(name).features is")
      try require(
        set.features == nil || (data.train.text == nil) == (set.text == nil), "data.\(name).features",
        set.features?.description ?? "",
        "of the kind of data.train.features: classes have names in text files, and numbers in arrays")
    }
    if let fraction = data.validation.fraction {
      try require(fraction > 0 && fraction < 1, "data.validation.fraction", fraction, "between 0 and 1")
      try require(
        data.validation.features == nil, "data.validation.fraction", fraction,
        "null beside data.validation.features; leave out one of the two")
    }
    if let fold = data.validation.fold {
      try require(
        data.validation.features == nil && data.validation.fraction == nil, "data.validation.fold", fold,
        "null beside data.validation.features or data.validation.fraction; leave out one of the two")
    }
    let sources = [data.train, validation, data.test]
    try require(
      data.header == .auto || sources.contains { $0.text == .csv }, "data.header", data.header.rawValue,
      "auto but for tables, which alone may have a line of names")
    try require(
      data.storage != .sparse || data.train.features != nil && data.train.text != .csv, "data.storage",
      data.storage.rawValue, "auto or dense but for data.train.features of format svmlight, and for sparse archives")
    try require(
      data.storage != .sparse || data.normalize.keepsZeros, "data.normalize", data.normalize.rawValue,
      "none, scale or unit-variance for sparse features, whose zeros have to stay zeros")
    try require(
      data.indexBase == .auto || sources.contains { $0.text == .svmlight }, "data.index_base",
      data.indexBase.rawValue, "auto but for files of format svmlight")
    if let classes = data.classes {
      try require((2...10_000_000).contains(classes), "data.classes", classes, "from 2 to ten million")
    }
    if case .given(let weights) = data.classWeights {
      try require(
        weights.allSatisfy { $0 >= 0 && $0.isFinite } && weights.contains { $0 > 0 }, "data.class_weights", weights,
        "null, balanced, or a list of finite numbers, 0 or more, of which one at least is not 0")
      if let classes = data.classes {
        try require(
          weights.count == classes, "data.class_weights", weights, "a list of \(classes) numbers, as data.classes says")
      }
    }
    try require(
      data.test.weights == nil, "data.test.weights", data.test.weights?.description ?? "",
      "null, for evaluations count all examples alike; data.train.weights are those of the training set")
    if let shape = model.inputShape {
      try require(
        (2...3).contains(shape.count) && shape.allSatisfy { (1...manyTimes).contains($0) }, "model.input_shape", shape,
        "a list of two or three extents, such as [28, 28]")
    }
    try require(
      !model.initialization.isEmpty, "model.initialization", "''",
      "auto, zeros, scaled or the path of a safetensors file")
    try require(
      model.initialization != "zeros" || !model.hasHiddenParameters, "model.initialization", "zeros",
      "auto, scaled or the path of a safetensors file, for with hidden layers all units of a layer would stay alike")

    try validateHead(require)

    let o = optimizer
    try require(o.learningRate > 0 && o.learningRate.isFinite, "optimizer.learning_rate", o.learningRate, "positive")
    try require(
      (0...manyTimes).contains(o.schedule.warmup), "optimizer.schedule.warmup", o.schedule.warmup,
      "from 0 to \(manyTimes) steps")
    try require(
      (0...1).contains(o.schedule.final), "optimizer.schedule.final", o.schedule.final, "a fraction from 0 to 1")
    let d = o.damping
    try require(d.initial > 0 && d.initial.isFinite, "optimizer.damping.initial", d.initial, "positive")
    try require(d.minimum > 0 && d.minimum.isFinite, "optimizer.damping.minimum", d.minimum, "positive")
    try require(
      d.maximum >= d.minimum && d.maximum.isFinite, "optimizer.damping.maximum", d.maximum,
      "at least the minimum, which is \(d.minimum)")
    try require(d.factor > 1 && d.factor.isFinite, "optimizer.damping.factor", d.factor, "greater than 1")
    try require(
      o.solver.tolerance > 0 && o.solver.tolerance < 1, "optimizer.solver.tolerance", o.solver.tolerance,
      "between 0 and 1")
    try require(
      o.solver.gramTolerance > 0 && o.solver.gramTolerance < 1, "optimizer.solver.gram_tolerance",
      o.solver.gramTolerance, "between 0 and 1")
    try require(
      o.solver.maxIterations > 0, "optimizer.solver.max_iterations", o.solver.maxIterations, "at least 1")
    try require(
      o.method != .ggn || [.auto, .cg].contains(o.solver.kind), "optimizer.solver.kind", o.solver.kind.rawValue,
      "auto or cg for optimizer.method ggn, whose matrix has more than one row an example")
    try require((0..<1).contains(o.momentum), "optimizer.momentum", o.momentum, "at least 0 and less than 1")
    try require(
      o.weightDecay >= 0 && o.weightDecay.isFinite, "optimizer.weight_decay", o.weightDecay, "0 or more")
    try require(
      o.method != .ggn || o.metric.kind == .identity, "optimizer.metric.kind", o.metric.kind.rawValue,
      "identity for optimizer.method ggn, whose solver is not preconditioned")
    try require(
      (1...manyTimes).contains(d.interval), "optimizer.damping.interval", d.interval, "from 1 to \(manyTimes) steps")
    try require(
      d.policy != .sweep || o.method == .fgn && o.solver.kind != .cg || !o.method.isDamped, "optimizer.damping.policy",
      d.policy.rawValue,
      o.method == .ggn
        ? "constant or levenberg-marquardt for optimizer.method ggn, which has no matrix of the batch"
        : "constant or levenberg-marquardt for optimizer.solver.kind cg, which has no matrix of the batch")
    try require(
      o.metric.epsilon > 0 && o.metric.epsilon.isFinite, "optimizer.metric.epsilon", o.metric.epsilon, "positive")
    try require(
      (0..<1).contains(o.metric.decay), "optimizer.metric.decay", o.metric.decay, "at least 0 and less than 1")
    try require(
      (1...manyTimes).contains(o.metric.interval), "optimizer.metric.interval", o.metric.interval,
      "from 1 to \(manyTimes) steps")
    for (name, beta) in [("beta1", o.adam.beta1), ("beta2", o.adam.beta2)] {
      try require((0..<1).contains(beta), "optimizer.adam.\(name)", beta, "at least 0 and less than 1")
    }
    try require(
      o.adam.epsilon > 0 && o.adam.epsilon.isFinite, "optimizer.adam.epsilon", o.adam.epsilon, "positive")
    try require(
      !(optimizer.nesterov && optimizer.momentum == 0), "optimizer.nesterov", true, "false without optimizer.momentum")

    try require(
      (1...manyTimes).contains(training.epochs), "training.epochs", training.epochs, "from 1 to \(manyTimes)")
    if let steps = training.steps {
      try require((1...manyTimes).contains(steps), "training.steps", steps, "from 1 to \(manyTimes)")
    }
    try require(
      training.tolerance > 0 && training.tolerance < 1, "training.tolerance", training.tolerance, "between 0 and 1")
    try require(
      (1...manyTimes).contains(training.maxPasses), "training.max_passes", training.maxPasses, "from 1 to \(manyTimes)")
    if training.until == .optimum {
      try require(
        training.average.kind == .none, "training.average.kind", training.average.kind.rawValue,
        "none with training.until optimum, whose model is no average")
      try require(
        training.patience == nil, "training.patience", training.patience ?? 0,
        "null with training.until optimum, which evaluations do not end")
      try require(
        !o.decaysToInitial, "optimizer.decay_to", o.decayTo.rawValue,
        "zero with training.until optimum, whose steps on all rows decay to zero")
    }
    try require(
      training.evaluateEvery >= 0, "training.evaluate_every", training.evaluateEvery, "0 or more epochs")
    if let steps = training.evaluateEverySteps {
      try require(
        (1...manyTimes).contains(steps), "training.evaluate_every_steps", steps, "null, or from 1 to \(manyTimes) steps"
      )
    }
    try require(
      training.keep == .last || data.validation.isGiven, "training.keep", "best",
      "last without a validation set; name one in data.validation.features, or set data.validation.fraction")
    if let patience = training.patience {
      try require(
        (1...manyTimes).contains(patience), "training.patience", patience,
        "null, or from 1 to \(manyTimes) evaluations")
      try require(
        data.validation.isGiven, "training.patience", patience,
        "null without a validation set; name one in data.validation.features, or set data.validation.fraction")
    }
    let average = training.average
    try require(
      (0..<1).contains(average.from), "training.average.from", average.from, "at least 0 and less than 1")
    try require(
      (0..<1).contains(average.decay), "training.average.decay", average.decay, "at least 0 and less than 1")
    let limit = training.onDivergence.limit
    try require((1...1000).contains(limit), "training.on_divergence.limit", limit, "from 1 to 1000")
    for (key, seconds) in [("peer", training.peerTimeout), ("stall", training.stallTimeout)] {
      try require(
        seconds == 0 || seconds >= 3 && seconds.isFinite, "training.\(key)_timeout", seconds,
        "0 for never, or at least 3 seconds")
    }
    try require(
      (1...65536).contains(training.shuffleBlock), "training.shuffle_block", training.shuffleBlock, "from 1 to 65536")
    try require(
      (1...65536).contains(training.shuffleWindow), "training.shuffle_window", training.shuffleWindow,
      "from 1 to 65536 batches")
    try require(
      !(training.stratify && training.shuffleBlock > 1), "training.stratify", true,
      "false with training.shuffle_block, which takes rows together whatever their classes")
    try require(
      (0..<1).contains(training.labelSmoothing), "training.label_smoothing", training.labelSmoothing,
      "at least 0 and less than 1")
    try require(
      (1...65536).contains(training.virtualShards), "training.virtual_shards", training.virtualShards, "from 1 to 65536"
    )
    try require(
      !training.reproducible || [.auto, .single].contains(o.allreduce), "optimizer.allreduce", o.allreduce.rawValue,
      "auto or single for training.reproducible, whose sums go from rank to rank in their order")
    try require(
      !(training.reproducible && o.solver.kind == .measured), "optimizer.solver.kind", o.solver.kind.rawValue,
      "auto, cg, gram or gram-cg for training.reproducible, where nothing may depend on time")
    try require(checkpoint.every >= 0, "checkpoint.every", checkpoint.every, "0 or more steps")
    try require(checkpoint.keep > 0, "checkpoint.keep", checkpoint.keep, "at least 1")
    try require(checkpoint.mirror != "", "checkpoint.mirror", "an empty path", "null, or the path of a folder")
    try require(logging.every > 0, "logging.every", logging.every, "at least 1 step")
    try require(
      logging.histogramsEvery >= 0, "logging.histograms_every", logging.histogramsEvery, "0 or more steps")
    try require(logging.ranksEvery >= 0, "logging.ranks_every", logging.ranksEvery, "0 or more steps")
  }
}
