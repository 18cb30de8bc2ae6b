import Foundation
import LinearAlgebra
import Testing
import Training

extension RunTests {
  @Suite("A configuration that cannot be used ends a job with one line of error")
  struct ConfigurationFaultTests {
    static let faults: [Fault] = [
      Fault("YAML syntax", yaml: "optimizer: {batch_size: 3\ntraining:\n", "run.yaml", "YAML"),
      Fault(
        "unknown key", yaml: "optimizer:\n  batchsize: 3\n", "run.yaml", "optimizer.batchsize", "line 2", "batch_size"),
      Fault("unknown section", yaml: "optimiser: {}\n", "optimiser", "did you mean optimizer"),
      Fault("wrong type", yaml: "training: {epochs: many}\n", "run.yaml", "training.epochs", "'many'", "whole number"),
      Fault("list for a number", yaml: "optimizer: {momentum: [1]}\n", "run.yaml", "optimizer.momentum"),
      Fault("value for a section", yaml: "optimizer: 3\n", "run.yaml", "optimizer", "section"),
      Fault(
        "impossible value", yaml: "optimizer: {damping: {initial: -1}}\n", "run.yaml", "optimizer.damping.initial",
        "-1"),
      Fault(
        "unknown word", yaml: "optimizer: {step_length: long}\n", "optimizer.step_length", "'long'", "unit", "ggn",
        "line-search"),
      Fault(
        "impossible moment", yaml: "optimizer: {method: adam, adam: {beta2: 1}}\n", "optimizer.adam.beta2",
        "less than 1"),
      Fault(
        "negative class weight", yaml: "data: {class_weights: [1, -2]}\n", "data.class_weights", "-2.0", "0 or more"),
      Fault(
        "class weights for another number of classes", yaml: "data: {class_weights: [1, 2, 3], classes: 10}\n",
        "data.class_weights", "10 numbers"),
      Fault("class weights for other classes than the data have", 64, "data.class_weights", "2 numbers", "3 classes") {
        _ in
        Fault.train + ["--set", "data.class_weights=[1, 2]"]
      },
      Fault("weights of the test set", yaml: "data: {test: {weights: w.npy}}\n", "data.test.weights", "w.npy", "alike"),
      Fault("features without labels", yaml: "data: {train: {features: a.npy}}\n", "data.train.labels"),
      Fault("duplicate key", yaml: "training: {steps: 3, steps: 4}\n", "run.yaml", "steps"),
      Fault(
        "unknown layer", yaml: "model: {layers: [tanh, lineer]}\n", "run.yaml", "model.layers[1]", "'lineer'",
        "did you mean linear"),
      Fault(
        "unknown key of a layer", yaml: "model:\n  layers:\n    - max_pool: {kernel: 2, strid: 1}\n", "run.yaml",
        "model.layers[0].max_pool.strid", "did you mean stride"),
      Fault(
        "impossible size of a layer", yaml: "model: {layers: [{residual: [{linear: 0}]}]}\n", "run.yaml",
        "model.layers[0].residual[0].linear", "'0'", "1000000"),
      Fault(
        "layers that do not fit each other",
        yaml: "model: {layers: [{convolution: {channels: 2, kernel: 3}}, relu, {linear: 9}]}\n", "model.layers[2]",
        "relu before it gives 2 × 6 × 6", "put flatten before it"),
      Fault(
        "a kernel larger than the image", yaml: "model: {layers: [{average_pool: 9}, flatten]}\n", "model.layers[0]",
        "1 × 8 × 8", "smaller kernel"),
      Fault("an image for the classes", yaml: "model: {layers: [{max_pool: 2}]}\n", "model.layers", "add flatten"),
      Fault(
        "a residual block of another shape", yaml: "model: {layers: [{residual: [{linear: 9}]}]}\n",
        "model.layers[0]", "64 features", "9 features"),
      Fault(
        "input shape of another size", yaml: "model: {input_shape: [8, 9]}\n", "model.input_shape", "[8, 9]", "64"),
      Fault(
        "hidden layers of zeros", yaml: "model: {layers: [{linear: 9}], initialization: zeros}\n", "run.yaml",
        "model.initialization", "alike"),
      Fault("an image of flat features", 64, "model.layers[0]", "6 flat features", "model.input_shape") { _ in
        Fault.train + ["--set", "model.layers=[{max_pool: 2}, flatten]"]
      },
      Fault("initialization of another network", 65, "start.safetensors", "model.2.weight", "missing") {
        var file = TensorFile()
        file.add("0.weight", Tensor([Float](repeating: 0, count: 24), shape: [4, 6]))
        file.add("0.bias", Tensor([Float](repeating: 0, count: 4)))
        try Safetensors.save(file, to: $0.path("start.safetensors"))
        return Fault.train
          + ["--set", "model.layers=[{linear: 4}, tanh]", "--set", "model.initialization=start.safetensors"]
      },
      Fault("--set without a value", 64, "--set optimizer.batch_size", "KEY=VALUE") { _ in
        Fault.train + ["--set", "optimizer.batch_size"]
      },
      Fault("--set of an unknown key", 64, "--set training.step=4", "did you mean training.steps") { _ in
        Fault.train + ["--set", "training.step=4"]
      },
      Fault("--set of an impossible value", 64, "training.steps", "-3") { _ in
        Fault.train + ["--set", "training.steps=-3"]
      },
      Fault("missing configuration", 66, "other.yaml") { _ in ["train", "other.yaml"] },
      Fault("configuration that is no text", 64, "run.yaml", "UTF-8") {
        try $0.write("run.yaml", [0x64, 0xff, 0xfe, 0x00])
        return Fault.train
      },
      Fault("run directory in use", 64, "run", "already holds a run", "--resume") {
        try Program.run(Fault.train, in: $0).expectSuccess()
        return Fault.train
      },
      Fault("run directory below a file", 74, "run.yaml/run") { _ in
        ["train", "run.yaml", "--run-directory", "run.yaml/run"]
      },
      Fault("initialization with other shapes", 65, "start.safetensors", "model.0.weight", "[3, 6]") {
        var file = TensorFile()
        file.add("model.0.weight", Tensor([Float](repeating: 0, count: 20), shape: [4, 5]))
        file.add("model.0.bias", Tensor([Float](repeating: 0, count: 4)))
        try Safetensors.save(file, to: $0.path("start.safetensors"))
        return Fault.train + ["--set", "model.initialization=start.safetensors"]
      },
      Fault("initialization without the bias", 65, "start.safetensors", "model.0.bias", "missing") {
        var file = TensorFile()
        file.add("model.0.weight", Tensor([Float](repeating: 0, count: 18), shape: [3, 6]))
        try Safetensors.save(file, to: $0.path("start.safetensors"))
        return Fault.train + ["--set", "model.initialization=start.safetensors"]
      },
      Fault(
        "initialization by other names", 65, "start.safetensors", "model.0.weight", "missing",
        "\"classifier.weight\" [3, 5], \"classifier.bias\" [3]"
      ) {
        var file = TensorFile()
        file.add("classifier.weight", Tensor([Float](repeating: 0, count: 15), shape: [3, 5]))
        file.add("classifier.bias", Tensor([Float](repeating: 0, count: 3)))
        try Safetensors.save(file, to: $0.path("start.safetensors"))
        return Fault.train + ["--set", "model.initialization=start.safetensors"]
      },
      Fault("a variable in the path of the data", 66, "$DATA/x.npy", "variable $DATA", "not expanded") { _ in
        Fault.train + ["--set", "data.train.features=$DATA/x.npy"]
      },
      Fault("a variable in the path of starting values", 66, "${HERE}/w.safetensors", "variable ${HERE}") { _ in
        Fault.train + ["--set", "model.initialization=${HERE}/w.safetensors"]
      },
      Fault("initialization of another kind", 65, "run.yaml") { _ in
        Fault.train + ["--set", "model.initialization=run.yaml"]
      },
      Fault("missing initialization", 66, "start.safetensors") { _ in
        Fault.train + ["--set", "model.initialization=start.safetensors"]
      },
      Fault("no command line", 64, "config") { _ in ["train"] },
      Fault("unknown option", 64, "--bogus", "--help") { _ in Fault.train + ["--bogus"] },
      Fault("unknown command", 64, "frobnicate") { _ in ["frobnicate"] },
      Fault("features without labels on the command line", 64, "--labels") { _ in
        ["evaluate", "model.safetensors", "--features", "train-features.npy"]
      },
      Fault("a number of suspects without a file", 64, "--suspects-count", "--suspects") { _ in
        ["evaluate", "model.safetensors", "--suspects-count", "5"]
      },
      Fault("no suspects", 64, "--suspects-count 0", "from 1") { _ in
        ["evaluate", "model.safetensors", "--suspects", "s.csv", "--suspects-count", "0"]
      },
      Fault("suspects in an unknown format", 64, "s.npy", ".csv") { _ in
        ["evaluate", "model.safetensors", "--suspects", "s.npy"]
      },
      Fault("a prediction that goes nowhere", 64, "--probabilities", "--classes") { _ in
        ["predict", "model.safetensors", "--features", "train-features.npy"]
      },
      Fault("a prediction in an unknown format", 64, "out.txt", ".npy") { _ in
        ["predict", "model.safetensors", "--features", "train-features.npy", "--classes", "out.txt"]
      },
    ]

    @Test(arguments: faults) func `One line of error`(fault: Fault) throws { try fault.check() }

    @Test(.enabled("root may write everywhere") { geteuid() != 0 })
    func `An unwritable run directory is an error of output`() throws {
      let workspace = Workspace()
      try workspace.write("run.yaml", "training: {steps: 2}")
      try FileManager.default.createDirectory(atPath: workspace.path("locked"), withIntermediateDirectories: false)
      chmod(workspace.path("locked"), 0o555)
      defer { chmod(workspace.path("locked"), 0o755) }
      try Program.run(["train", "run.yaml", "--run-directory", "locked/run"], in: workspace)
        .expectError(74, mentioning: ["locked/run"])
    }

    @Test(arguments: ["SLURM_NTASKS", "PMI_SIZE"])
    func `Processes that a batch system started without a launcher are refused`(variable: String) throws {
      let workspace = Workspace()
      try workspace.write("run.yaml", "training: {steps: 2}")
      try Program.run(["train", "run.yaml"], in: workspace, environment: [variable: "2"])
        .expectError(64, mentioning: ["\(variable)=2"])
      #expect(!workspace.exists("runs"))
    }

    @Test(arguments: ["--help", "--version"])
    func `Help and the version end with 0 and go to standard output`(option: String) throws {
      let workspace = Workspace()
      for ranks in [Ranks.plain, .mpirun(2)] {
        let outcome = try Program.run(ranks, [option], in: workspace)
        outcome.expectSuccess()
        #expect(outcome.output.contains(option == "--help" ? "Exit codes" : "0."))
        #expect(outcome.errors.isEmpty)
      }
      // These options work even where MPI cannot start.
      let outcome = try Program.run([option], in: workspace, environment: ["PMI_SIZE": "2"])
      outcome.expectSuccess()
    }
  }
}
