import ArgumentParser
import Datasets
import GaussNewton
import MPI
import Training

struct Predict: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write the class, the class probabilities and the logits of every example.",
    discussion: """
      The ending of a file's name decides its format: .npy or .csv. Several --features are one set, in their order, or for a \
      pattern in quotes ('part-*.npy') in the order of the bytes of their names.
      """)

  @Argument(help: "Model or checkpoint (safetensors).")
  var model: String

  @Option(
    help: """
      File of features (IDX, NPY, NPZ or safetensors), or of examples as text (.svm, .libsvm, .csv, .tsv); IDX and text also .gz or .bz2.
      """)
  var features: [String]

  @Option(help: "Format of --features: \(ExampleFormat.allCases.map(\.rawValue).joined(separator: ", ")).")
  var format = ExampleFormat.auto

  @OptionGroup
  var form: TextForm

  @Option(help: "Where to write the probabilities, examples × classes.")
  var probabilities: String?

  @Option(help: "Where to write the logits, examples × classes.")
  var logits: String?

  @Option(help: "Where to write the most probable class of each example: its name (.csv), or its number (.npy).")
  var classes: String?

  @OptionGroup
  var head: HeadOption

  func validate() throws {
    let paths = [probabilities, logits, classes].compactMap { $0 }
    if paths.isEmpty { throw ValidationError("name at least one of --probabilities, --logits and --classes") }
    for path in paths where PredictionFile.Format(path) == nil {
      throw ValidationError("\(path) must end in .npy or .csv")
    }
    guard format.isOne(of: list) else {
      throw ValidationError("\(list) are of several formats; predict for each format on its own")
    }
    if form.indexBase != nil, format.text(list) != .svmlight {
      throw ValidationError("--index-base is for LIBSVM's format, which \(list) is not in")
    }
    if form.header != nil, format.text(list) != .csv {
      throw ValidationError("--header is for tables, which \(list) is not")
    }
    try checkOutputs(paths, inputs: [model] + ((try? list.paths()) ?? features))
  }

  func run() throws {
    try Job.run { job in
      let file = try job.communicator.collectively { try ModelFile(headerOf: model) }
      var reader = try NodeReader(over: job.communicator)
      let (examples, note) = try job.communicator.collectively {
        let (examples, note) = try source(for: file, by: &reader)
        try file.check(examples.shape, of: "\(list)")
        return (examples, note)
      }
      job.say(try reader.note(over: job.communicator))
      job.say(note.map { "\(list): \($0)" })
      switch file.configuration.training.precision {
      case .float32: try predict(file, examples, Float.self, job)
      case .float64: try predict(file, examples, Double.self, job)
      }
      return .success
    }
  }

  /// The examples, and a remark for the user. A text file is read as a whole; labels in it do not count. Collective on
  /// a node.
  private func source(
    for model: ModelFile, by reader: inout NodeReader
  ) throws -> (any FeatureSource, note: String?) {
    var source = model.configuration.data.train
    source.features = list
    source.format = format
    let text = try reader.open {
      try source.textExamples(for: model, header: form.header ?? .auto, readsLabels: false, indexBase: form.indexBase)
        .map {
          var set = Dataset(features: $0.features, labels: Array(repeating: 0, count: $0.features.rows))
          (set.indices, set.tableColumns) = ($0.indices, $0.tableColumns)
          return set
        }
    }
    guard let text else { return (try source.arrays(for: model, by: &reader).features, nil) }
    return (
      text.features,
      text.tableColumns?.summary(model.tableColumns) ?? model.noteOnIndices(of: text, told: form.indexBase)
    )
  }

  private var list: FileList { FileList(features) }

  private func predict<Scalar: DistributedScalar>(
    _ file: ModelFile, _ examples: some FeatureSource, _: Scalar.Type, _ job: Job
  ) throws {
    let communicator = job.communicator
    let model: Classifier<Scalar> = try head.classifier(file, for: examples, job)
    let predictor = Predictor(
      model.network, model.parameters, file.normalization, communicator: communicator, classes: model.classes)
    func open(_ path: String?, _ contents: PredictionFile.Contents) throws -> PredictionFile? {
      try path.map {
        try PredictionFile(
          $0, of: contents, rows: examples.rows, classCount: file.network.outputCount,
          classes: file.classes, Scalar.self)
      }
    }
    let outputs = try communicator.onRoot {
      (
        probabilities: try open(probabilities, .probabilities), logits: try open(logits, .logits),
        classes: try open(classes, .classes)
      )
    }
    try predictor.run(examples, named: "\(list)") { predictions in
      if let file = outputs?.probabilities { try file.append(predictions.probabilities) }
      if let file = outputs?.logits { try file.append(predictions.logits) }
      if let file = outputs?.classes { try file.append(predictions.classes) }
    }
    try communicator.onRoot {
      let files = [outputs?.probabilities, outputs?.logits, outputs?.classes].compactMap { $0 }
      for file in files { try file.complete() }
      for file in files { try file.finish() }
    }
  }
}
