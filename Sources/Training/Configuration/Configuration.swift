import Datasets
import GaussNewton
import Networks

/// Everything that steers a run. The defaults are the values here and in the option types it composes; a `Setting` that is
/// not given is chosen by `resolved(for:goingOnFrom:source:)`.
package struct Configuration: Codable, Equatable, Sendable {
  package var data = DataOptions()
  package var model = ModelOptions()
  package var optimizer = OptimizerOptions()
  package var training = TrainingOptions()
  package var checkpoint = CheckpointOptions()
  package var logging = LoggingOptions()

  package init() {}

  enum CodingKeys: String, CodingKey {
    case data, model, optimizer, training, checkpoint, logging
  }

  package struct DataOptions: Codable, Equatable, Sendable {
    package var train = Source()
    package var validation = Validation()
    package var test = Source()
    /// Whether the first line of a table, in any set, has the names of its columns.
    package var header = CSV.Header.auto
    @Setting package var normalize = Normalization.Kind.scale
    /// Whether examples of LIBSVM's format are kept without their zeros.
    package var storage = FeatureStorage.auto
    /// The index of the first column in LIBSVM's format; once the training set is read it is not `auto` any more.
    package var indexBase = SVMLight.IndexBase.auto
    /// C; counted from the training labels if absent.
    @Nullable package var classes: Int?
    /// How much the examples of each class count in training.
    @Nullable package var classWeights: ClassWeights?
    /// The label of examples that are left out of training and evaluations.
    @Nullable package var ignoreLabel: IgnoredLabel?

    enum CodingKeys: String, CodingKey {
      case train, validation, test, header, normalize, storage, classes
      case indexBase = "index_base"
      case classWeights = "class_weights"
      case ignoreLabel = "ignore_label"
    }
  }

  package struct ModelOptions: Codable, Equatable, Sendable {
    /// Hidden layers, before the linear head into the classes.
    package var layers: [LayerSpecification] = []
    /// Whether the head has biases beside its weights.
    package var bias = true
    /// The extents of one example where the data file has them flat.
    @Nullable package var inputShape: [Int]?
    /// Where the channels of an image stand in the data file.
    package var channels = ChannelOrder.first
    /// `auto`, `zeros`, `scaled` (random, by fan-in), or the path of a safetensors file.
    package var initialization = "auto"
    package var head = HeadOptions()

    package struct HeadOptions: Codable, Equatable, Sendable {
      /// What ranks share out.
      package var shard = HeadShard.auto
      /// What `auto` comes to for the ranks of a run; no part of a file.
      var chosen: HeadShard?

      enum CodingKeys: String, CodingKey { case shard }
    }

    enum CodingKeys: String, CodingKey {
      case layers, bias, head
      case inputShape = "input_shape"
      case channels, initialization
    }
  }

  package struct OptimizerOptions: Codable, Equatable, Sendable {
    package enum Method: String, Codable, CaseIterable, Sendable {
      /// Fast Gauss-Newton.
      case fgn
      /// The full Gauss-Newton matrix.
      case ggn
      /// Stochastic gradient descent with momentum.
      case sgd
      case adam

      /// Whether it solves a damped system.
      var isDamped: Bool { [.fgn, .ggn].contains(self) }
    }

    package var method = Method.fgn
    /// B, over all ranks.
    package var batchSize = BatchSize.rows(512)
    @Setting package var learningRate = 0.3
    package var schedule = LearningRateSchedule()
    package var damping = Damping.Options()
    package var solver = SolverOptions()
    package var stepLength = StepLength.unit
    /// η
    package var momentum = 0.9
    /// Nesterov's form of momentum.
    package var nesterov = false
    package var adam = AdamOptions()
    /// μ
    package var weightDecay = 0.0
    /// Whether biases decay like weights.
    package var decayBiases = true

    package enum DecayTarget: String, Codable, CaseIterable, Sendable {
      case zero
      /// The parameters that the run begins with.
      case initial
    }
    package var decayTo = DecayTarget.zero
    /// What damping and momentum measure a step by.
    package var metric = MetricOptions()

    /// How sums over the ranks travel; `auto`: by a rule; `measured`: as is faster at the start.
    package enum Allreduce: String, Codable, CaseIterable, Sendable {
      case auto, measured, single, bucketed
    }
    package var allreduce = Allreduce.auto

    enum CodingKeys: String, CodingKey {
      case method
      case batchSize = "batch_size"
      case learningRate = "learning_rate"
      case schedule, damping, solver
      case stepLength = "step_length"
      case momentum, nesterov, adam, allreduce
      case weightDecay = "weight_decay"
      case decayBiases = "decay_biases"
      case decayTo = "decay_to"
      case metric
    }
  }

  package struct TrainingOptions: Codable, Equatable, Sendable {
    package enum Precision: String, Codable, CaseIterable, Sendable {
      case float32, float64
    }

    package enum Until: String, Codable, CaseIterable, Sendable {
      case steps, optimum
    }

    @Setting package var epochs = 10
    /// Ends the run after so many steps; `epochs` does not count then.
    @Nullable package var steps: Int?
    /// What ends a run: its steps, or the optimum of its objective, to which steps on all rows lead behind them.
    package var until = Until.steps
    /// ‖g‖/‖g₀‖ of the whole objective at its optimum.
    package var tolerance = 1e-6
    /// The passes over all rows after which the way to the optimum ends.
    package var maxPasses = 5000
    package var seed: UInt64 = 0
    package var precision = Precision.float32
    /// Leaves out an epoch's last, smaller batch.
    package var dropLast = false
    /// Rows of the blocks that an epoch is shuffled by, which are read at once.
    @Setting package var shuffleBlock = 1
    /// Batches among which the rows of blocks are mixed.
    @Setting package var shuffleWindow = 1
    /// Whether the rows of each class are spread evenly over the batches of an epoch.
    package var stratify = false
    /// ε: how much of each target is spread evenly over all classes, instead of on the label.
    package var labelSmoothing = 0.0
    /// Epochs from one evaluation on the validation and test sets to the next; 0: only at the end.
    package var evaluateEvery = 1
    /// Steps from one such evaluation to the next, beside those of the epochs.
    @Nullable package var evaluateEverySteps: Int?
    /// Which parameters are the model at the end.
    @Setting package var keep = Keep.last
    /// What the best parameters are the best by, on the validation set.
    package var bestBy = Criterion.loss
    /// Evaluations on the validation set without a better value after which the run ends; nil: never.
    @Nullable package var patience: Int?
    /// What the model averages.
    package var average = AverageOptions()
    /// What happens once the numbers of the run are no longer finite.
    package var onDivergence = DivergenceOptions()
    /// Seconds without a sign of life from another rank, after which the job ends; 0: never.
    package var peerTimeout = 10.0
    /// Seconds of waiting for other ranks in one exchange, after which the job ends; 0: never.
    package var stallTimeout = 1800.0
    /// Makes the steps the same bit by bit on any number of ranks and threads.
    package var reproducible = false
    /// Into how many shards a batch is cut for that, whatever the number of ranks.
    package var virtualShards = 12

    enum CodingKeys: String, CodingKey {
      case epochs, steps, until, tolerance
      case maxPasses = "max_passes"
      case seed, precision
      case dropLast = "drop_last"
      case shuffleBlock = "shuffle_block"
      case shuffleWindow = "shuffle_window"
      case stratify
      case labelSmoothing = "label_smoothing"
      case evaluateEvery = "evaluate_every"
      case evaluateEverySteps = "evaluate_every_steps"
      case keep
      case bestBy = "best_by"
      case patience, average
      case onDivergence = "on_divergence"
      case peerTimeout = "peer_timeout"
      case stallTimeout = "stall_timeout"
      case reproducible
      case virtualShards = "virtual_shards"
    }

    package init() {}
  }

  package struct CheckpointOptions: Codable, Equatable, Sendable {
    /// Steps from one checkpoint to the next; 0: only at the end.
    package var every = 200
    /// Minutes from one checkpoint to the next, where so many steps take longer.
    package var everyMinutes = SaveInterval.minutes(0)
    /// How many of the newest checkpoints stay.
    package var keep = 3
    /// Whether each one is read again once it is written.
    package var verify = false
    /// A folder for copies of the checkpoints.
    @Nullable package var mirror: String?

    enum CodingKeys: String, CodingKey {
      case every, keep, verify, mirror
      case everyMinutes = "every_minutes"
    }
  }

  package struct LoggingOptions: Codable, Equatable, Sendable {
    package enum Progress: String, Codable, CaseIterable, Sendable {
      /// `live` on a terminal, `plain` elsewhere.
      case auto
      /// One line that is rewritten in place.
      case live
      /// A line now and then.
      case plain
      case none
    }

    /// Steps from one line of `metrics.jsonl` to the next.
    package var every = 1
    package var progress = Progress.auto
    /// Whether the run directory gets an event file for TensorBoard.
    package var tensorboard = true
    /// Steps from one histogram of margins and curvature weights to the next, in the event file; 0: none.
    package var histogramsEvery = 100
    /// Steps from one look at the times of all ranks to the next; 0: only at the end.
    package var ranksEvery = 100
    /// Whether the lines of steps have each exchange between ranks.
    package var traffic = false
    /// A text file of Prometheus with the state of the run.
    @Nullable package var prometheus: String?

    enum CodingKeys: String, CodingKey {
      case every, progress, tensorboard, traffic, prometheus
      case histogramsEvery = "histograms_every"
      case ranksEvery = "ranks_every"
    }
  }
}
