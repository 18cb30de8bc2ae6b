import ArgumentParser
import Datasets
import MPI
import Training

/// The options that name examples with labels, and the sets of a model's own configuration in their place.
struct LabeledExamples: ParsableArguments {
  @Option(
    help: """
      File of features (IDX, NPY, NPZ or safetensors), or of examples with labels as text (.svm, .libsvm, .csv, .tsv); IDX and text also .gz \
      or .bz2.
      """)
  var features: [String] = []

  @Option(help: "File of labels (IDX, NPY, NPZ or safetensors).")
  var labels: [String] = []

  @Option(
    help: "Format of --features and --labels: \(ExampleFormat.allCases.map(\.rawValue).joined(separator: ", ")).")
  var format = ExampleFormat.auto

  @OptionGroup
  var form: TextForm

  /// A set of the configuration of a model.
  enum Own { case validation, test }

  /// The files that are named.
  var paths: [String] {
    [source.features, source.labels].compactMap { $0 }.flatMap { (try? $0.paths()) ?? $0.entries }
  }

  func validate() throws {
    let isText = source.text != nil
    if let list = source.features, !format.isOne(of: list) {
      throw ValidationError("\(list) are of several formats; take those of each on their own")
    }
    if isText, !labels.isEmpty {
      throw ValidationError("\(source.features!) has its labels within it; leave --labels out")
    }
    if !isText, features.isEmpty != labels.isEmpty {
      throw ValidationError("--features and --labels go together; give both or neither")
    }
    if form.indexBase != nil, source.text != .svmlight {
      throw ValidationError("--index-base goes with --features in LIBSVM's format; leave it out")
    }
    if form.header != nil, source.text != .csv {
      throw ValidationError("--header goes with --features that are a table, which these are not")
    }
    if format != .auto, features.isEmpty { throw ValidationError("--format goes with --features; name the files") }
  }

  private var source: Configuration.DataOptions.Source {
    var source = Configuration.DataOptions.Source(
      features: features.isEmpty ? nil : FileList(features), labels: labels.isEmpty ? nil : FileList(labels))
    source.format = format
    return source
  }

  /// The examples that are named, or else a set of the model's own configuration. Collective.
  func load(for model: ModelFile, or own: Own, _ job: Job) throws -> EvaluationSet {
    let data = model.configuration.data
    var source = own == .test ? data.test : data.validation.source
    if !features.isEmpty {
      source = self.source
      source.labelColumn = data.train.labelColumn
    } else if own == .validation, source.features == nil {
      return try loadHeldOutRows(of: model, job)
    }
    let header = features.isEmpty ? data.header : form.header ?? .auto
    var reader = try NodeReader(over: job.communicator)
    let set = try job.communicator.collectively {
      try EvaluationSet(source, header: header, indexBase: form.indexBase, for: model, by: &reader)
    }
    job.say(try reader.note(over: job.communicator))
    job.say(set.note.map { "\(set.name): \($0)" })
    job.say(set.labelNote)
    return set
  }

  /// The rows of the training set that the run of the model held out. Collective.
  private func loadHeldOutRows(of model: ModelFile, _ job: Job) throws -> EvaluationSet {
    guard model.configuration.data.validation.isHeldOut else {
      throw CollectiveFailure(
        ConfigurationError(
          source: model.contents.path,
          "was trained without a validation set, as the model of a search is with all rows; name examples that it was not trained "
            + "on with --features and --labels, or search with --no-refit")
      )
    }
    let data = try job.load(model.configuration)
    let name = model.configuration.data.train.features.map { "the validation rows of \($0)" } ?? "the embedded digits"
    let set = EvaluationSet(data.validation!, name: name)
    try job.communicator.collectively { try model.check(set.features.shape, of: name) }
    return set
  }
}
