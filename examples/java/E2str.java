// SPDX-License-Identifier: MIT
import com.sun.jna.Memory;
import com.sun.jna.Native;
import com.sun.jna.Pointer;
import com.sun.jna.Structure;
import com.sun.jna.Structure.FieldOrder;
import com.sun.jna.ptr.FloatByReference;
import com.sun.jna.ptr.LongByReference;
import com.sun.jna.ptr.PointerByReference;
import java.awt.image.BufferedImage;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;

/**
 * Reads the text in cropped word images, and gets better on a new domain by being shown examples: a layer over
 * libe2str by JNA, for 64-bit systems. What calls do and what their limits are is in e2str.h.
 *
 * <pre>
 * try (var model = E2str.Model.shipped(); var session = model.session(1)) {
 *     System.out.println(session.read(E2str.Image.load(Path.of("word.png"))).text());
 * }
 * </pre>
 *
 * Models, constraints and pools are for all threads at once, a session for one at a time (it makes others wait). What
 * is not closed is given back when nobody refers to it any more, a model after what was made with it. Who closes a
 * model closes that first.
 */
public final class E2str {
    private E2str() {}

    // ---- e2str.h: as much of it as is used here ----

    static final class C {
        static {
            Native.register(C.class, "e2str"); // -Djna.library.path=folder, or where the system has its libraries
        }

        static native Pointer e2str_version();
        static native Pointer e2str_status_name(int status);
        static native int e2str_default_model_path(byte[] path, long capacity, byte[] error);
        static native int e2str_model_open(byte[] path, Pointer options, PointerByReference model, byte[] error);
        static native void e2str_model_close(Pointer model);
        static native void e2str_session_options_init_size(SessionOptions options, long size);
        static native int e2str_session_new(
                Pointer model, SessionOptions options, PointerByReference session, byte[] error);
        static native void e2str_session_free(Pointer session);
        static native int e2str_image_load(byte[] path, Pointer limits, View image, byte[] error);
        static native int e2str_image_load_memory(byte[] data, long size, Pointer limits, View image, byte[] error);
        static native void e2str_image_free(View image);
        static native int e2str_pool_new(Pointer model, Pointer options, PointerByReference pool, byte[] error);
        static native int e2str_pool_load(
                Pointer model, byte[] path, Pointer options, PointerByReference pool, byte[] error);
        static native int e2str_pool_save(Pointer pool, byte[] path, byte[] error);
        static native int e2str_pool_add(
                Pointer pool, Pointer session, View image, byte[] label, long size, LongByReference id, byte[] error);
        static native int e2str_pool_remove(Pointer pool, long id, byte[] error);
        static native long e2str_pool_count(Pointer pool);
        static native int e2str_pool_learn(Pointer pool, Pointer session, Pointer options, byte[] error);
        static native void e2str_pool_free(Pointer pool);
        static native void e2str_constraint_options_init_size(ConstraintOptions options, long size);
        static native int e2str_constraint_new(ConstraintOptions options, PointerByReference constraint, byte[] error);
        static native int e2str_constraint_matches(Pointer constraint, byte[] text, long size);
        static native void e2str_constraint_free(Pointer constraint);
        static native void e2str_read_options_init_size(ReadOptions options, long size);
        static native int e2str_result_new(PointerByReference result, byte[] error);
        static native void e2str_result_free(Pointer result);
        static native int e2str_read(
                Pointer session, View image, Pointer pool, ReadOptions options, Pointer result, byte[] error);
        static native Pointer e2str_result_text(Pointer result);
        static native long e2str_result_text_size(Pointer result);
        static native float e2str_result_score(Pointer result);
        static native float e2str_result_confidence(Pointer result);
        static native float e2str_result_textless(Pointer result);
        static native int e2str_result_truncated(Pointer result);
        static native int e2str_result_rejected(Pointer result);
        static native int e2str_result_unmatched(Pointer result);
        static native long e2str_result_characters(Pointer result);
        static native int e2str_result_character(Pointer result, long index, Part character, byte[] error);
        static native long e2str_result_alternatives(Pointer result, long index);
        static native int e2str_result_alternative(Pointer result, long index, long rank, PointerByReference text,
                FloatByReference probability, byte[] error);
        static native long e2str_result_examples(Pointer result);
        static native int e2str_result_example(
                Pointer result, long index, LongByReference id, FloatByReference similarity, byte[] error);
    }

    @FieldOrder({"size", "threads", "spin_microseconds"})
    public static class SessionOptions extends Structure {
        public long size;
        public int threads;
        public long spin_microseconds;
    }

    @FieldOrder({"pixels", "width", "height", "stride", "format", "rotate", "owned", "trim"})
    public static class View extends Structure {
        public Pointer pixels;
        public int width, height;
        public long stride;
        public int format, rotate;
        public Pointer owned;
        public int trim;
    }

    @FieldOrder({"size", "characters", "pattern", "lexicon", "lexicon_size", "lexicon_path", "lexicon_bonus",
        "ignore_case", "min_length", "max_length", "accept", "accept_user"})
    public static class ConstraintOptions extends Structure {
        public long size;
        public Pointer characters, pattern, lexicon;
        public long lexicon_size;
        public Pointer lexicon_path;
        public float lexicon_bonus;
        public int ignore_case, min_length, max_length;
        public Pointer accept, accept_user;
    }

    @FieldOrder({"size", "k", "min_similarity", "examples", "n_examples", "prompt", "beams", "max_tokens",
        "alternatives", "clean_up", "memory", "memory_factor", "influences", "memory_everywhere", "places",
        "reject_below", "textless_from", "constraint", "attention", "second_look",
        "nearest", "nearest_user"})
    public static class ReadOptions extends Structure {
        public long size;
        public int k;
        public float min_similarity;
        public Pointer examples;
        public long n_examples;
        public Pointer prompt;
        public int beams, max_tokens, alternatives, clean_up;
        public Pointer memory;
        public float memory_factor;
        public int influences, memory_everywhere, places;
        public float reject_below, textless_from;
        public Pointer constraint;
        public int attention;
        public float second_look;
        public Pointer nearest, nearest_user;

        public ReadOptions() {
            C.e2str_read_options_init_size(this, size());
        }
    }

    @FieldOrder({"offset", "length", "probability"})
    public static class Part extends Structure {
        public long offset, length;
        public float probability;
    }

    // ---- errors, text, handles ----

    /** What a call failed with: the name of its status ("argument", "io", ...) and what is wrong. */
    public static final class Failure extends RuntimeException {
        private static final long serialVersionUID = 1;
        public final String status;

        Failure(int status, byte[] message) {
            super(Native.toString(message, "UTF-8"));
            this.status = C.e2str_status_name(status).getString(0);
        }
    }

    private interface Call {
        int run(byte[] error);
    }

    private static void check(Call call) {
        byte[] error = new byte[256];
        int status = call.run(error);
        if (status != 0) throw new Failure(status, error);
    }

    private static byte[] bytes(String text) { // with a NUL behind
        byte[] plain = text.getBytes(StandardCharsets.UTF_8);
        return Arrays.copyOf(plain, plain.length + 1);
    }

    private static byte[] bytes(Path path) {
        return bytes(path.toString());
    }

    private static String text(Pointer text, long size) {
        return new String(text.getByteArray(0, (int) size), StandardCharsets.UTF_8);
    }

    /** Version of the library in use. */
    public static String version() {
        return C.e2str_version().getString(0);
    }

    private static final Cleaner CLEANER = Cleaner.create();

    private interface Make {
        int run(PointerByReference made, byte[] error);
    }

    /** Base of what has memory in the library. */
    public abstract static class Handle implements AutoCloseable {
        private final Pointer pointer;
        private final Cleaner.Cleanable cleanable;
        private volatile boolean closed;

        /** `kept` is what must not be given back before this. */
        Handle(Consumer<Pointer> free, Object kept, Make make) {
            PointerByReference made = new PointerByReference();
            check(error -> make.run(made, error));
            Pointer handle = made.getValue();
            pointer = handle;
            cleanable = CLEANER.register(this, () -> {
                free.accept(handle);
                Reference.reachabilityFence(kept);
            });
        }

        final Pointer get() {
            if (closed) throw new IllegalStateException("closed");
            return pointer;
        }

        /** Gives the memory back; nobody may be using it. */
        @Override
        public void close() {
            closed = true;
            cleanable.clean();
        }
    }

    // ---- model, images ----

    /** The weights. */
    public static final class Model extends Handle {
        private Model(byte[] path) {
            super(C::e2str_model_close, null, (made, error) -> C.e2str_model_open(path, null, made, error));
        }

        public static Model open(Path path) {
            return new Model(bytes(path));
        }

        /** The one that came with the library, or that E2STR_MODEL names. */
        public static Model shipped() {
            byte[] path = new byte[4096];
            check(error -> C.e2str_default_model_path(path, path.length, error));
            return new Model(path);
        }

        /** `threads` work on one call. */
        public Session session(int threads) {
            return new Session(this, threads);
        }

        public Pool pool() {
            return new Pool(this, (made, error) -> C.e2str_pool_new(get(), null, made, error));
        }

        public Pool pool(Path saved) {
            return new Pool(this, (made, error) -> C.e2str_pool_load(get(), bytes(saved), null, made, error));
        }
    }

    /** A picture. */
    public static final class Image {
        private final View view = new View();
        private Memory pixels; // of a picture of Java's

        private Image() {}

        private static Image loaded(View view) {
            Image image = new Image();
            image.view.pixels = view.pixels;
            image.view.width = view.width;
            image.view.height = view.height;
            image.view.stride = view.stride;
            image.view.format = view.format;
            CLEANER.register(image, () -> C.e2str_image_free(view));
            return image;
        }

        /** A file: PNG, JPEG, BMP, PBM, PGM, PPM. */
        public static Image load(Path path) {
            View view = new View();
            check(error -> C.e2str_image_load(bytes(path), null, view, error));
            return loaded(view);
        }

        /** The content of such a file. */
        public static Image decode(byte[] file) {
            View view = new View();
            check(error -> C.e2str_image_load_memory(file, file.length, null, view, error));
            return loaded(view);
        }

        /** A copy of a picture of Java's. */
        public static Image of(BufferedImage source) {
            int width = source.getWidth(), height = source.getHeight();
            byte[] rgba = new byte[4 * width * height];
            int at = 0;
            for (int colour : source.getRGB(0, 0, width, height, null, 0, width)) {
                for (int shift : new int[] {16, 8, 0, 24}) rgba[at++] = (byte) (colour >> shift);
            }
            Image image = new Image();
            image.pixels = new Memory(rgba.length);
            image.pixels.write(0, rgba, 0, rgba.length);
            image.view.pixels = image.pixels;
            image.view.width = width;
            image.view.height = height;
            image.view.stride = 4L * width;
            image.view.format = 4;
            return image;
        }

        /** Turned clockwise before it is read: 0, 90, 180, 270; -1 finds out. */
        public Image rotate(int degrees) {
            view.rotate = degrees;
            return this;
        }
    }

    // ---- reading ----

    /** What a text may be. */
    public static final class Constraint extends Handle {
        private Constraint(ConstraintOptions options, Memory text) {
            super(C::e2str_constraint_free, null, (made, error) -> C.e2str_constraint_new(options, made, error));
            Reference.reachabilityFence(text);
        }

        /** Like "[A-Z]{2}[0-9]{6}". */
        public static Constraint pattern(String pattern) {
            byte[] text = bytes(pattern);
            Memory memory = new Memory(text.length);
            memory.write(0, text, 0, text.length);
            ConstraintOptions options = new ConstraintOptions();
            C.e2str_constraint_options_init_size(options, options.size());
            options.pattern = memory;
            return new Constraint(options, memory);
        }

        public boolean matches(String text) {
            boolean answer = C.e2str_constraint_matches(get(), bytes(text), -1) != 0;
            Reference.reachabilityFence(this);
            return answer;
        }

        /** For a read with it; keep the constraint while that runs. */
        public ReadOptions options() {
            ReadOptions options = new ReadOptions();
            options.constraint = get();
            return options;
        }
    }

    /** What else may begin at a character, best first; "" is the end. */
    public record Alternative(String text, float probability) {}

    /** A part of a reading. */
    public record Character(String text, float probability, List<Alternative> alternatives) {}

    /** What one read found; `examples` stood in the prompt. */
    public record Reading(String text, float score, float confidence, float textless, boolean truncated,
            boolean rejected, boolean unmatched, List<Character> characters, List<Long> examples) {}

    /** Scratch memory of one read at a time. */
    public static final class Session extends Handle {
        private final Pointer result;

        private Session(Model model, int threads) {
            super(C::e2str_session_free, model, (made, error) -> {
                SessionOptions options = new SessionOptions();
                C.e2str_session_options_init_size(options, options.size());
                options.threads = threads;
                return C.e2str_session_new(model.get(), options, made, error);
            });
            PointerByReference made = new PointerByReference();
            check(error -> C.e2str_result_new(made, error));
            Pointer handle = made.getValue();
            result = handle;
            CLEANER.register(this, () -> C.e2str_result_free(handle));
        }

        public Reading read(Image image) {
            return read(image, null, new ReadOptions());
        }

        public Reading read(Image image, Pool pool) {
            return read(image, pool, new ReadOptions());
        }

        public synchronized Reading read(Image image, Pool pool, ReadOptions options) {
            Pointer session = get(), from = pool == null ? null : pool.get();
            check(error -> C.e2str_read(session, image.view, from, options, result, error));
            Reading reading = reading();
            Reference.reachabilityFence(image);
            Reference.reachabilityFence(pool);
            Reference.reachabilityFence(this);
            return reading;
        }

        private Reading reading() {
            byte[] text = C.e2str_result_text(result).getByteArray(0, (int) C.e2str_result_text_size(result));
            List<Character> characters = new ArrayList<>();
            for (long i = 0; i < C.e2str_result_characters(result); i++) {
                long index = i;
                Part part = new Part();
                check(error -> C.e2str_result_character(result, index, part, error));
                String own = new String(text, (int) part.offset, (int) part.length, StandardCharsets.UTF_8);
                characters.add(new Character(own, part.probability, alternatives(index)));
            }
            List<Long> examples = new ArrayList<>();
            LongByReference id = new LongByReference();
            for (long i = 0; i < C.e2str_result_examples(result); i++) {
                long index = i;
                check(error -> C.e2str_result_example(result, index, id, new FloatByReference(), error));
                examples.add(id.getValue());
            }
            return new Reading(new String(text, StandardCharsets.UTF_8), C.e2str_result_score(result),
                    C.e2str_result_confidence(result), C.e2str_result_textless(result),
                    C.e2str_result_truncated(result) != 0, C.e2str_result_rejected(result) != 0,
                    C.e2str_result_unmatched(result) != 0, List.copyOf(characters), List.copyOf(examples));
        }

        private List<Alternative> alternatives(long index) {
            List<Alternative> all = new ArrayList<>();
            PointerByReference text = new PointerByReference();
            FloatByReference probability = new FloatByReference();
            for (long i = 0; i < C.e2str_result_alternatives(result, index); i++) {
                long rank = i;
                check(error -> C.e2str_result_alternative(result, index, rank, text, probability, error));
                all.add(new Alternative(text.getValue().getString(0, "UTF-8"), probability.getValue()));
            }
            return List.copyOf(all);
        }
    }

    // ---- pool ----

    /** Labelled examples, and what was learnt from them. */
    public static final class Pool extends Handle {
        private Pool(Model model, Make make) {
            super(C::e2str_pool_free, model, make);
        }

        /** The example's id. */
        public long add(Session session, Image image, String label) {
            byte[] text = bytes(label);
            LongByReference id = new LongByReference();
            synchronized (session) {
                Pointer pool = get(), with = session.get();
                check(error -> C.e2str_pool_add(pool, with, image.view, text, text.length - 1, id, error));
            }
            Reference.reachabilityFence(image);
            Reference.reachabilityFence(this);
            return id.getValue();
        }

        public void remove(long id) {
            check(error -> C.e2str_pool_remove(get(), id, error));
            Reference.reachabilityFence(this);
        }

        public long size() {
            long count = C.e2str_pool_count(get());
            Reference.reachabilityFence(this);
            return count;
        }

        /** Makes the pool's memory from all its examples; reads with the pool use it from then on. */
        public void learn(Session session) {
            synchronized (session) {
                check(error -> C.e2str_pool_learn(get(), session.get(), null, error));
            }
            Reference.reachabilityFence(this);
        }

        /** Writes the pool's file, whole or not at all. */
        public void save(Path path) {
            check(error -> C.e2str_pool_save(get(), bytes(path), error));
            Reference.reachabilityFence(this);
        }
    }
}
