import ArgumentParser
import Datasets

/// The options on the form of examples in text files.
struct TextForm: ParsableArguments {
  @Option(
    help: "Index of the first column in LIBSVM's format: auto (0 if there is any), zero or one. (default: the model's)")
  var indexBase: SVMLight.IndexBase?

  @Option(help: "Whether the first line of a table has the names of its columns: auto, yes or no. (default: auto)")
  var header: CSV.Header?
}
