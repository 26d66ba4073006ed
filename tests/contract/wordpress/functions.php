<?php
// Stands for WordPress where there is none: what the plug-in calls, each in a few lines, kept in memory.
// See https://developer.wordpress.org/reference/. A test that passes here must pass with a real one too: drive.php.

const ABSPATH = __DIR__ . '/';
const RIGHTS = [
    'administrator' => ['manage_options', 'edit_posts', 'edit_post', 'upload_files'],
    'contributor' => ['edit_posts', 'edit_post'],
    '' => [],
];

class Memory
{
    public static array $hooks = [], $shortcodes = [], $blocks = [], $routes = [], $options = [], $sanitizers = [];
    public static array $complaints = [], $fields = [], $posts = [], $meta = [], $users = [1 => 'administrator'];
    public static int $user = 0;
    public static ?WP_Scripts $scripts = null;
}

class WP_Error
{
    public function __construct(public string $code, public string $message, public array $data = [])
    {
    }

    public function get_error_message(): string
    {
        return $this->message;
    }
}

class WP_Post
{
    public int $ID = 0;
    public string $post_type = 'post';
}

class WP_Scripts
{
    public array $registered = [], $queue = [];
}

class WP_REST_Request implements ArrayAccess
{
    private array $given = [];

    public function __construct(public string $method, public string $route)
    {
    }

    public function set_header(string $name, string $value): void
    {
    }

    public function set_body(string $body): void
    {
        $this->given = json_decode($body, true);
    }

    public function offsetExists(mixed $name): bool
    {
        return isset($this->given[$name]);
    }

    public function offsetGet(mixed $name): mixed
    {
        return $this->given[$name] ?? null;
    }

    public function offsetSet(mixed $name, mixed $value): void
    {
        $this->given[$name] = $value;
    }

    public function offsetUnset(mixed $name): void
    {
    }
}

class WP_REST_Response
{
    public function __construct(private array $data, private int $status = 200)
    {
    }

    public function get_status(): int
    {
        return $this->status;
    }

    public function get_data(): array
    {
        return $this->data;
    }
}

function add_action($name, $callback)
{
    Memory::$hooks[$name][] = $callback;
}

function do_action($name)
{
    array_map(fn ($callback) => $callback(), Memory::$hooks[$name] ?? []);
}

function apply_filters($name, $value, ...$more)
{
    return $value;
}

function register_activation_hook($file, $callback)
{
}

function is_multisite()
{
    return false;
}

// Text

function __($text, $domain)
{
    return $text;
}

function esc_html($text)
{
    return htmlspecialchars((string) $text, ENT_QUOTES, 'UTF-8', false);
}

function esc_attr($text)
{
    return esc_html($text);
}

function esc_html__($text, $domain)
{
    return esc_html($text);
}

function esc_html_e($text, $domain)
{
    echo esc_html($text);
}

function esc_attr_e($text, $domain)
{
    echo esc_html($text);
}

function esc_url_raw($url, $schemes)
{
    $scheme = parse_url($url, PHP_URL_SCHEME);
    return in_array(strtolower((string) $scheme), $schemes, true) ? preg_replace('/[\s"<>\\\\^`{|}]/', '', $url) : '';
}

function esc_url($url, $schemes = ['http', 'https'])
{
    return esc_html(esc_url_raw($url, $schemes));
}

function wp_json_encode($value, $flags = 0)
{
    return json_encode($value, $flags);
}

function sanitize_file_name($name)
{
    return preg_replace('/[^\w.-]/', '-', $name);
}

// Shortcodes and blocks

function add_shortcode($tag, $callback)
{
    Memory::$shortcodes[$tag] = $callback;
}

function do_shortcode($text)
{
    return preg_replace_callback('/\[(thumbnail)(?![\w-])([^\[\]]*)\]/', function ($found) {
        return Memory::$shortcodes[$found[1]](attributes_of($found[2]));
    }, $text);
}

/** WordPress returns '' for none, and removes backslashes and values that hold half an element. */
function attributes_of($text)
{
    preg_match_all('/([\w-]+)\s*=\s*(?:"([^"]*)"|\'([^\']*)\'|([^\s"\']+))|(\S+)/', $text, $all, PREG_SET_ORDER | PREG_UNMATCHED_AS_NULL);
    $attributes = [];
    foreach ($all as [, $name, $double, $single, $bare, $alone]) {
        $value = stripcslashes($double ?? $single ?? $bare ?? $alone);
        $value = preg_match('/^[^<]*(<[^>]*>[^<]*)*$/', $value) ? $value : '';
        $name === null ? $attributes[] = $value : $attributes[strtolower($name)] = $value;
    }
    return $attributes ?: '';
}

function register_block_type($name, $given)
{
    Memory::$blocks[$name] = $given;
}

function render_block($block)
{
    $type = Memory::$blocks[$block['blockName']];
    $defaults = array_map(fn ($attribute) => $attribute['default'], $type['attributes']);
    return $type['render_callback']($block['attrs'] + $defaults);
}

function get_block_wrapper_attributes()
{
    return 'class="wp-block"';
}

function wp_scripts()
{
    return Memory::$scripts ??= new WP_Scripts();
}

function wp_register_script($handle, $src, ...$more)
{
    wp_scripts()->registered[$handle] = (object) ['src' => $src, 'after' => ''];
}

function wp_add_inline_script($handle, $code)
{
    wp_scripts()->registered[$handle]->after .= $code;
}

function wp_enqueue_script($handle, $src = '', ...$more)
{
    $src === '' || wp_register_script($handle, $src);
    in_array($handle, wp_scripts()->queue, true) || wp_scripts()->queue[] = $handle;
}

// People, posts and what is stored

function wp_insert_user($given)
{
    Memory::$users[] = $given['role'];
    return array_key_last(Memory::$users);
}

function wp_set_current_user($id)
{
    Memory::$user = $id;
    return (object) ['ID' => $id];
}

function current_user_can($right, $post = null)
{
    $has = in_array($right, RIGHTS[Memory::$users[Memory::$user] ?? ''], true);
    $author = $post === null ? Memory::$user : Memory::$posts[$post]['post_author'] ?? null;
    return $has && ($author === Memory::$user || Memory::$user === 1 && $author !== null);
}

function wp_insert_post($given)
{
    Memory::$posts[count(Memory::$posts) + 1] = $given;
    return count(Memory::$posts);
}

function get_post($id)
{
    $post = new WP_Post();
    $post->ID = $id;
    return $post;
}

function is_post_type_viewable($type)
{
    return $type === 'post';
}

function current_theme_supports($feature, $type)
{
    return true;
}

function post_type_supports($type, $feature)
{
    return true;
}

function get_post_meta($id, $key, $single)
{
    return Memory::$meta[$id][$key] ?? '';
}

function update_post_meta($id, $key, $value)
{
    Memory::$meta[$id][$key] = stripslashes((string) $value);
}

function delete_post_meta_by_key($key)
{
    foreach (array_keys(Memory::$meta) as $id) {
        unset(Memory::$meta[$id][$key]);
    }
}

function get_post_thumbnail_id($id)
{
    return (int) get_post_meta($id, '_thumbnail_id', true);
}

function set_post_thumbnail($id, $attachment)
{
    update_post_meta($id, '_thumbnail_id', $attachment);
}

function get_attached_file($id)
{
    return get_post_meta($id, '_wp_attached_file', true);
}

function get_option($name, $default = false)
{
    return Memory::$options[$name] ?? $default;
}

function update_option($name, $value)
{
    Memory::$options[$name] = Memory::$sanitizers[$name]($value);
    return true;
}

function delete_option($name)
{
    unset(Memory::$options[$name]);
    return true;
}

// The settings page

function register_setting($group, $name, $given)
{
    Memory::$sanitizers[$name] = $given['sanitize_callback'];
}

function add_settings_section($id, $title, $callback, $page)
{
}

function add_settings_field($name, $title, $callback, $page, $section, $given)
{
    Memory::$fields[] = [$title, $callback, $given];
}

function add_settings_error($setting, $code, $message)
{
    Memory::$complaints[] = ['message' => $message];
}

function get_settings_errors($setting)
{
    return Memory::$complaints;
}

function settings_fields($group)
{
    echo '<input type="hidden" name="_wpnonce" value="0123456789">';
}

function do_settings_sections($page)
{
    foreach (Memory::$fields as [$title, $callback, $given]) {
        printf('<label for="%s">%s</label>', esc_attr($given['label_for']), esc_html($title));
        $callback($given);
    }
}

function submit_button()
{
    echo '<input type="submit" value="Save Changes">';
}

function get_admin_page_title()
{
    return 'Thumbnail Service';
}

// Requests, those that come and those that go

function is_wp_error($value)
{
    return $value instanceof WP_Error;
}

function register_rest_route($namespace, $route, $given)
{
    Memory::$routes["/$namespace$route"] = $given;
}

function rest_ensure_response($data)
{
    return new WP_REST_Response($data);
}

function rest_do_request($request)
{
    Memory::$routes ?: do_action('rest_api_init');
    foreach (Memory::$routes as $route => $given) {
        if (preg_match("~^$route$~", $request->route, $found)) {
            $request['id'] = $found['id'];
            foreach ($given['args'] as $name => $argument) {
                $request[$name] ??= $argument['default'] ?? null;
            }
            $allowed = $given['permission_callback']($request);
            $answer = $allowed ? $given['callback']($request) : new WP_Error('rest_forbidden', '', ['status' => Memory::$user ? 403 : 401]);
            return is_wp_error($answer) ? new WP_REST_Response((array) $answer, $answer->data['status']) : $answer;
        }
    }
}

function wp_remote_get($url, $given)
{
    return wp_remote_post($url, $given + ['method' => 'GET', 'headers' => [], 'body' => '']);
}

function wp_remote_post($url, $given)
{
    $headers = array_map(fn ($name, $value) => "$name: $value", array_keys($given['headers']), $given['headers']);
    $http = ['method' => $given['method'] ?? 'POST', 'header' => $headers, 'content' => $given['body'], 'ignore_errors' => true];
    $http += ['timeout' => $given['timeout'], 'follow_location' => ($given['redirection'] ?? 5) > 0 ? 1 : 0];
    $body = @file_get_contents($url, false, stream_context_create(['http' => $http]));
    if ($body === false) {
        return new WP_Error('http_request_failed', 'Connection refused');
    }
    isset($given['filename']) && file_put_contents($given['filename'], $body);
    return ['body' => $body, 'lines' => $http_response_header];
}

function wp_remote_retrieve_response_code($answer)
{
    return (int) explode(' ', $answer['lines'][0])[1];
}

function wp_remote_retrieve_body($answer)
{
    return $answer['body'];
}

function wp_remote_retrieve_header($answer, $name)
{
    foreach ($answer['lines'] as $line) {
        if (stripos($line, "$name:") === 0) {
            return trim(substr($line, strlen($name) + 1));
        }
    }
    return '';
}
