import ArgumentParser
import Datasets
import GaussNewton
import Training

/// What the ranks of a command share out of a model's head.
struct HeadOption: ParsableArguments {
  @Option(
    help: """
      none: each rank has the whole model; classes: each has a part of the classes; auto: classes where the model's run asked \
      for it, or a rank has no memory for all.
      """)
  var shard = HeadShard.auto

  /// What this rank runs of a model on such examples. Says what ranks share out. Collective.
  func classifier<Scalar: DistributedScalar>(
    _ file: ModelFile, for examples: some FeatureSource, _ job: Job
  ) throws -> Classifier<Scalar> {
    let model: Classifier<Scalar> = try file.classifier(for: examples, head: shard, over: job.communicator)
    if model.head.isNoteworthy { job.say("head: \(model.head)") }
    return model
  }
}

extension HeadShard: ExpressibleByArgument {
  public init?(argument: String) {
    switch argument {
    case "auto": self = .auto
    case "none": self = .none
    case "classes": self = .classes
    default: return nil
    }
  }

  public static var allValueStrings: [String] { ["auto", "none", "classes"] }
}
